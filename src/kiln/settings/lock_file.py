"""The lock file of a pipeline's Python packages: what pip is given, line by line, before pip is called.

pip runs setup.py of whatever is no wheel, and reads further files and indexes that a line names. So each
requirement must be `name==version` with SHA-256 hashes; everything else is refused by its line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from kiln.errors import UsageError
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

_MOST_BYTES = 16 * 1024 * 1024
FIX = "write the lock file anew (CONTRIBUTING.md has the command)"
_OPTION_FIX = "write it with --no-emit-index-url and without other options (CONTRIBUTING.md has the command)"
# PEP 508 names and extras, ASCII only.
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf" ?\[ ?(?:{_NAME}(?: ?, ?{_NAME})*)? ?\]"
# PEP 440, "Appendix B", without the forms that no lock file has (a leading v, -1 for .post1).
_VERSION = (
    r"(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*)?"
    r"(?:[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?"
    r"(?:\+[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*)?"
)
_PINNED = re.compile(
    rf"(?P<name>{_NAME})(?:{_EXTRAS})? ?== ?(?P<version>{_VERSION})"
    r"(?: ?;(?P<marker>[A-Za-z0-9_.'\"<>=!~() ,+-]*?))?"
    r"(?P<hashes>(?: --hash=[a-z0-9]+:[0-9a-f]+)*)"
)
# For pip a text that ends like this is the name of a file in the current folder (its ARCHIVE_EXTENSIONS);
# a local version (after the +) may end so.
_LIKE_AN_ARCHIVE = re.compile(
    r"\.(?:zip|whl|tbz|tgz|txz|tlz|tar(?:\.(?:bz2|gz|xz|lz|lzma))?)\Z", re.IGNORECASE
)
_HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}")
_WANTED = re.compile(_NAME)
# pip reads a file in the encoding that its first two lines name (PEP 263).
_ENCODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class _Line(NamedTuple):
    number: int
    text: str


def check(path: Path, label: str) -> None:
    """Raise UsageError unless pip can be given this file; it names the file and each line that is wrong."""
    found = Problems()
    seen: dict[str, dict[str, int]] = {}
    for number, text in _joined(_read(path, label), label):
        with found.collecting():
            name, marker = _requirement(text, label, number)
            lines = seen.setdefault(name, {})
            # A universal lock file has several versions of a package, each for other machines.
            if lines and (not marker or marker in lines or "" in lines):
                raise _wrong(label, number, f"{name} stands in line {min(lines.values())} already")
            lines[marker] = number
    found.raise_any()
    if not seen:
        raise UsageError(f"{label} has no requirement", fix=FIX)
    _check_complete(path, label, seen)


def _check_complete(path: Path, label: str, locked: Container[str]) -> None:
    """Raise UsageError when the file beside it that it was made of, NAME.in, asks for more."""
    source = path.with_suffix(".in")
    if not source.is_file():
        return
    for number, text in _joined(_read(source, label), label):
        wanted = _WANTED.match(text)
        if wanted and _normal(wanted[0]) not in locked:
            raise UsageError(
                f"{label} does not lock {wanted[0]}, which {source.name}, line {number}, asks for", fix=FIX
            )


def _requirement(text: str, label: str, number: int) -> tuple[str, str]:
    """Return the package's name as pip compares names, and its marker."""
    if text.startswith("-"):
        # An index's address may hold a password: only the option's name is shown.
        option = re.findall(r"--[a-z-]*|-.?", text)[0]
        raise _wrong(label, number, f"{ascii(option)[:60]} is an option of pip", _OPTION_FIX)
    if re.search(r"\t-", text):
        raise _wrong(label, number, "a tab stands before a hash: pip takes spaces there only")
    words = re.sub("[ \t]+", " ", text)
    found = _PINNED.fullmatch(words)
    # For pip a word that begins with `-` begins the options, wherever it stands.
    if not found or " -" in f" {found['marker'] or ''}":
        shown = ascii(words.partition("://")[0])[:60]  # an address may hold a password
        raise _wrong(label, number, f"{shown} is not name==version with hashes")
    if _LIKE_AN_ARCHIVE.search(found["version"]):
        raise _wrong(label, number, f"{found['version']} is a file's name for pip, no version")
    hashes = _HASH.findall(found["hashes"])
    if not hashes or "".join(hashes) != found["hashes"]:
        raise _wrong(label, number, f"{found['name']} has no SHA-256 hash, or another hash beside it")
    return _normal(found["name"]), (found["marker"] or "").replace(" ", "")


def _normal(name: str) -> str:
    """Return a package's name as pip compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(path: Path, label: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise UsageError(f"{label} cannot be read: {error.strerror}", fix="correct the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{label} is not text in UTF-8 (byte {error.start})", fix=FIX) from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{label} has more than {_MOST_BYTES} bytes", fix=FIX)
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


def _wrong(label: str, number: int, problem: str, fix: str = FIX) -> UsageError:
    return UsageError(f"{label}, line {number}: {problem}", fix=fix)
