"""Finding known causes in texts that may be hostile: of any size, with lines of any length."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from kiln.diagnosis.cause import shortened
from kiln.diagnosis.known_causes import KINDS
from kiln.diagnosis.signs import FACTS, PERMISSIONS, SIGNS, Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kiln.diagnosis.known_causes import Kind

# A log may hold a word a million times: of each needle the last ones are tried.
_MOST_LINES = 20
# Of a line, on each side of the needle.
_MOST_SIDE = 1000
# Around the line that shows a cause, for what it does not name.
_AROUND = 4000
_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_PLACE = re.compile(r"\{(\w+)\}")
_END = ".,:;`'\""


class Found(NamedTuple):
    """A known cause in a text: its kind, its first line, and where in the text its line begins."""

    kind: str
    headline: str
    start: int


def in_error(text: str, role: str = "") -> Found | None:
    """Return the known cause that an error shows: a traceback, an exception, or a job's last words."""
    return _first(text, role, lambda kind: not kind.is_vague)


def in_log(text: str, role: str, *, vague: bool) -> Found | None:
    """Return the known cause that a line anywhere in a log shows; with `vague` a mere consequence."""
    return _first(text, role, lambda kind: kind.anywhere and kind.is_vague == vague)


def _first(text: str, role: str, wanted: Callable[[Kind], bool]) -> Found | None:
    for sign in SIGNS:
        if sign.role in {"", role} and wanted(KINDS[sign.kind]):
            for start, line in _lines(text, sign.needle):
                if match := sign.pattern.search(line):
                    return Found(sign.kind, _headline(sign, match, text, start), start)
    return None


def _lines(text: str, needle: str) -> Iterator[tuple[int, str]]:
    """Return the lines that hold a needle, the last first, cut on both sides of it."""
    end = len(text)
    for _ in range(_MOST_LINES):
        at = text.rfind(needle, 0, end)
        if at < 0:
            return
        start = text.rfind("\n", max(0, at - _MOST_SIDE), at) + 1 or max(0, at - _MOST_SIDE)
        stop = text.find("\n", at, at + _MOST_SIDE)
        yield start, text[start : stop if stop >= 0 else at + _MOST_SIDE].rstrip("\r")
        end = start


def _headline(sign: Sign, match: re.Match[str], text: str, start: int) -> str:
    known = {name: value for name, value in match.groupdict().items() if value is not None}
    for name, pattern in FACTS.items():
        if name not in known and f"{{{name}}}" in sign.headline:
            fact = pattern.search(match.string) or _last(pattern, text[max(0, start - _AROUND) : start])
            known = (fact.groupdict() if fact else {}) | known
    known = {
        name: value.rstrip(_END) if name in {"uri", "resource"} else value for name, value in known.items()
    }
    if (operation := known.get("operation", "")) in PERMISSIONS:
        known["operation"] = f"{operation} ({PERMISSIONS[operation]})"
    kept = _OPTIONAL.sub(
        lambda part: part[1] if set(_PLACE.findall(part[1])) <= set(known) else "", sign.headline
    )
    return shortened(_PLACE.sub(lambda place: known.get(place[1], "?"), kept))


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)
