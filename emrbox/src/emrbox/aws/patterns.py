"""Texts of IAM policies with wildcards and policy variables, and what matches them.

`*` and `?` are wildcards; `${*}`, `${?}` and `${$}` mean those characters themselves; `${key}` and
`${key, 'default'}` take a single-valued key of the request. Variables are read in policies of version
2012-10-17 only, and one without a value matches nothing:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum

Context = Mapping[str, str | tuple[str, ...]]
VARIABLE = re.compile(r"\$\{([^{}]*)\}")
DEFAULT = re.compile(r"\s*([^,]*?)\s*(?:,\s*'([^']*)'\s*)?", re.DOTALL)
CHARACTERS = frozenset("*?$")


class MalformedPolicyError(Exception):
    """A document that AWS would have refused."""


class Wild(Enum):
    """A wildcard."""

    ANY = "*"
    ONE = "?"


Pattern = Sequence[str | Wild]


def check(text: str, *, variables: bool) -> None:
    """Raise MalformedPolicyError for a `${` that is no variable."""
    if variables and "${" in VARIABLE.sub("", text):
        raise MalformedPolicyError(f"{text!r} has a variable that does not end")


def read(text: str, context: Context, *, variables: bool, wildcards: bool = True) -> Pattern | None:
    """Return the characters and wildcards of a policy's text; None when a variable has no value."""
    found: list[str | Wild] = []
    end = 0
    for variable in VARIABLE.finditer(text) if variables else ():
        found += _characters(text[end : variable.start()], wildcards=wildcards)
        value = _value(variable[1], context)
        if value is None:
            return None
        found += value
        end = variable.end()
    return found + _characters(text[end:], wildcards=wildcards)


def _characters(text: str, *, wildcards: bool) -> list[str | Wild]:
    return [Wild(c) if wildcards and c in "*?" else c for c in text]


def _value(name: str, context: Context) -> str | None:
    if name in CHARACTERS:
        return name
    parts = DEFAULT.fullmatch(name)
    key, default = (parts[1], parts[2]) if parts else (name, None)
    value = context.get(key.lower())
    values = (value,) if isinstance(value, str) else value or ()
    return values[0] if len(values) == 1 else default


def matches(pattern: Pattern, text: str) -> bool:
    """Return whether all of a text matches, in time proportional to both lengths at worst."""
    at = place = retry = 0
    star = -1
    while at < len(text):
        wanted = pattern[place] if place < len(pattern) else None
        if wanted is Wild.ONE or wanted == text[at]:
            at, place = at + 1, place + 1
        elif wanted is Wild.ANY:
            star, retry, place = place, at, place + 1
        elif star >= 0:
            retry += 1
            at, place = retry, star + 1
        else:
            return False
    return all(rest is Wild.ANY for rest in pattern[place:])
