"""The lock file of a pipeline's Python packages: what pip is given, line by line, before pip is called.

pip runs setup.py of whatever is no wheel, and reads further files and indexes that a line names. So each
requirement must be `name==version` with SHA-256 hashes; everything else is refused by its line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = 16 * 1024 * 1024
_FIX = "write the lock file anew (CONTRIBUTING.md has the command)"
# PEP 508 names and extras, a PEP 440 version without wildcard or local path. ASCII only.
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[A-Za-z0-9._,-]*\])?"
    r" ?== ?[A-Za-z0-9][A-Za-z0-9.!+_-]*"
    r"(?: ?;(?P<marker>[A-Za-z0-9_.'\"<>=!~() ,+-]*?))?"
    r"(?P<hashes>(?: --hash=[a-z0-9]+:[0-9a-f]+)*)"
)
_HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}")
# pip reads a file in the encoding that its first two lines name (PEP 263).
_ENCODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class _Line(NamedTuple):
    number: int
    text: str


def check(path: Path, label: str) -> None:
    """Raise UsageError unless pip can be given this file; the message names the file and the line."""
    seen: dict[str, int] = {}
    for number, text in _joined(_read(path, label), label):
        found = _requirement(text, label, number)
        other = seen.setdefault(found, number)
        if other != number:
            raise _wrong(label, number, f"{found} stands in line {other} already")
    if not seen:
        raise UsageError(f"{label} has no requirement", fix=_FIX)


def _requirement(text: str, label: str, number: int) -> str:
    """Return the package's name as pip compares names."""
    words = re.sub(" +", " ", text)
    found = _PINNED.fullmatch(words)
    # For pip a word that begins with `-` begins the options, wherever it stands.
    if not found or " -" in f" {found['marker'] or ''}":
        raise _wrong(label, number, f"{ascii(words)[:60]} is not name==version with hashes")
    hashes = _HASH.findall(found["hashes"])
    if not hashes or "".join(hashes) != found["hashes"]:
        raise _wrong(label, number, f"{found['name']} has no SHA-256 hash, or another hash beside it")
    return re.sub(r"[-_.]+", "-", found["name"]).lower()


def _read(path: Path, label: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise UsageError(f"{label} cannot be read: {error.strerror}", fix="correct the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{label} is not text in UTF-8 (byte {error.start})", fix=_FIX) from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{label} has more than {_MOST_BYTES} bytes", fix=_FIX)
    for number, line in enumerate(text.split("\n")[:2], 1):
        named = _ENCODING.match(line)
        if named and named[1].lower() not in {"utf-8", "utf8", "ascii"}:
            raise _wrong(label, number, f"the encoding {named[1][:40]} is not UTF-8")
    return text


def _joined(text: str, label: str) -> Iterator[_Line]:
    """Yield logical lines as pip joins them: at a backslash that ends a line, and without comments."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            first, parts = first or number, [*parts, line[:-1]]
            continue
        # A comment ends a continued line too.
        whole = "".join([*parts, "" if is_comment else line])
        yield from _without_comment(first or number, whole)
        first, parts = 0, []
    if parts:
        raise _wrong(label, first, "the file ends within a requirement")


def _without_comment(number: int, text: str) -> Iterator[_Line]:
    bare = re.sub(r"(^|\s)#.*$", "", text).strip()
    if bare:
        yield _Line(number, bare)


def _wrong(label: str, number: int, problem: str) -> UsageError:
    return UsageError(f"{label}, line {number}: {problem}", fix=_FIX)
