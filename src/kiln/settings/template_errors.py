"""Ansible's messages about templates in plain words: what is undefined, and what refers to itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNDEFINED = re.compile(r"'(?P<name>[A-Za-z_][A-Za-z0-9_]*)' is undefined")
_RECURSIVE = re.compile(r"[Rr]ecursive loop|maximum recursion")


def explained(message: str, key: str, known: Iterable[str]) -> tuple[str, str]:
    """Return what is wrong with a variable that has no value, and how to correct it."""
    undefined = _UNDEFINED.search(message)
    if undefined:
        name = undefined["name"]
        close = names.did_you_mean(name, known)
        return f"it uses {name}, which is not set anywhere{close}", f"set {name}, or correct {key} there"
    if _RECURSIVE.search(message):
        return "it refers to itself, directly or through other variables", f"correct {key} there"
    return message, f"correct {key} there"
