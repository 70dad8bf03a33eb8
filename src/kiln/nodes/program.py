"""The program that is sent to a node, and the command that runs it there."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiln.nodes import question

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "kiln.nodes.on_node"
# What each kind of item needs beside these two, in the order in which they need each other. Nothing else is
# sent: to compile a module takes a node as long as many an item. What only changes need is imported then: on
# most nodes nothing changes.
_COMMON = ("channel", "items")
# No kind, but what a release that lies in S3 needs.
_FETCHED = "fetched"
_OF_KIND = {
    "packages": ("packages",),
    "environment": ("unpacked", "s3", "environment"),
    "release": ("unpacked", "release"),
    _FETCHED: ("s3",),
    "secret_file": ("placed", "secret_file"),
    "files": ("placed", "files"),
    "system_settings": ("placed", "files", "system_settings"),
}
_MAIN = "main"
_JOINED = "joined"
_PARENTS = ("kiln", "kiln.nodes", PACKAGE)
_FOLDER = Path(__file__).resolve().parent / "on_node"
# Reads the program from standard input, where the definition follows; `python -` would read to the end.
_START = """\
import json, sys, types
for name, text in json.loads(sys.stdin.buffer.read(int(sys.argv[1]))):
    sys.modules[name] = module = types.ModuleType(name)
    module.__path__ = []
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["kiln.nodes.on_node.main"].main(sys.argv[2])
"""


# The bootstrap action that fetches the same program from S3 and runs it.
JOIN_SCRIPT = _FOLDER / "join.sh"


def source(definition: Mapping[str, Any]) -> bytes:
    """Return the program for a definition: a JSON list of modules, each with its name and text."""
    items = definition["items"]
    kinds = [item["kind"] for item in items]
    return _source(frozenset([*kinds, *(_FETCHED for item in items if "archive" in item)]), ())


def joined_source() -> bytes:
    """Return the program for every definition, with the module that the bootstrap action calls."""
    return _source(frozenset(_OF_KIND), (_JOINED,))


@functools.cache
def _source(kinds: frozenset[str], more: tuple[str, ...]) -> bytes:
    modules = [(name, "") for name in _PARENTS]
    own = (name for kind in sorted(kinds) for name in _OF_KIND[kind])
    names = dict.fromkeys([*_COMMON, *own, _MAIN, *more])
    modules += [(f"{PACKAGE}.{name}", (_FOLDER / f"{name}.py").read_text()) for name in names]
    return json.dumps(modules).encode()


def command(interpreter: str, definition: Mapping[str, Any], token: str, *, as_root: bool) -> list[str]:
    """Return the command of a node. -I: nothing of the caller's environment or folder is imported."""
    start = [interpreter, "-IS", "-c", _START, str(len(source(definition))), token]
    return question.command(["sudo", "-n", "-H", "--", *start] if as_root else start, definition, token)
