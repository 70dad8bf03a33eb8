"""A question to the node's shell, asked before the program: is everything there already?

Most of the time it is, and the shell answers for the program, whose start in Python takes several times the
processor. The shell is of the user who logs in, who may read what is asked about: `sudo` takes as long as
all tests together. Each test is that of the item's module in on_node/.
"""

from __future__ import annotations

import json
import shlex
import stat
from typing import TYPE_CHECKING, Any

from kiln.nodes.on_node.environment import MARKER
from kiln.nodes.on_node.release import LAST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Then the program asks, which sends a heartbeat meanwhile.
_RPM_SECONDS = 10
# Asked after all others: rpm takes longest, and where one of them fails the program asks it again.
_LAST_KIND = "packages"
_LINE = "\n"
_SCRIPT = "if {tests}; then printf '%s %s\\n' {answers}; else exec \"$@\"; fi"


def command(program: Sequence[str], definition: Mapping[str, Any], token: str) -> list[str]:
    """Return the command that asks and runs the program when something is missing.

    It is the program's alone where the shell cannot tell: it does not see what a file of secrets must hold.
    """
    items = definition["items"]
    tests = [_test(item) for item in sorted(items, key=lambda one: one["kind"] == _LAST_KIND)]
    if not tests or None in tests:
        return list(program)
    said = [*({"item": number} for number in range(len(items))), {"end": True}]
    answers = " ".join(f"{token} {shlex.quote(json.dumps(one))}" for one in said)
    script = _SCRIPT.format(tests=" && ".join(str(test) for test in tests), answers=answers)
    return ["/bin/sh", "-c", script, "sh", *program]


def _test(item: Mapping[str, Any]) -> str | None:
    """Return the command that succeeds when an item is there, for the shell; None: it cannot tell."""
    if item["kind"] == _LAST_KIND:
        names = shlex.join(item["names"])
        asked = f"timeout {_RPM_SECONDS} rpm -q --whatprovides -- {names} >/dev/null 2>&1"
        return asked if names else "true"
    if item["kind"] == "environment":
        return f"[ -f {shlex.quote(item['path'] + '/' + MARKER)} ]"
    if item["kind"] == "release":
        root, commit = item["root"], item["commit"]
        last, current = shlex.quote(f"{root}/releases/{commit}/{LAST}"), shlex.quote(f"{root}/current")
        # `read` fails where no newline follows: none may.
        is_read = f"found= && {{ ! IFS= read -r found <{last}; }} 2>/dev/null"
        holds = f'{is_read} && [ "$found" = {shlex.quote(commit)} ]'
        return f'{holds} && [ "$(readlink {current})" = {shlex.quote("releases/" + commit)} ]'
    if item["kind"] in {"files", "system_settings"}:
        return " && ".join([*_kernel_tests(item), *_file_tests(item["files"])]) or "true"
    return None


def _kernel_tests(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield a test of each setting of the kernel, which writes tabs between numbers."""
    for name, text in item.get("kernel", {}).items():
        place = shlex.quote("/".join([item["folder"], *name.split(".")]))
        words = f'set -f; read -r found <{place}; set -- $found; [ "$*" = {shlex.quote(text)} ]'
        yield f"( {words} ) 2>/dev/null"


def _file_tests(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a test of owners and modes, and one of contents; both fail where this user may not read."""
    if not files:
        return []
    paths = shlex.join(file["path"] for file in files)
    found = [f"{stat.S_IFREG | file['mode']:x}:{file['owner']}:{file['group']}:1" for file in files]
    sums = [f"{file['sha256']}  {file['path']}" for file in files]
    return [
        f'[ "$(stat -c %f:%U:%G:%h -- {paths} 2>/dev/null)" = {shlex.quote(_LINE.join(found))} ]',
        f"printf '%s\\n' {shlex.join(sums)} | sha256sum --check --status 2>/dev/null",
    ]
