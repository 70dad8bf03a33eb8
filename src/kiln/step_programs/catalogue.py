"""Where the programs of steps lie in S3: below what nodes can read, with the SHA-256 of their content."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CHECK_DATA = "check_data.py"
_NAMES = (CHECK_DATA,)
_FOLDER = Path(__file__).resolve().parent


def folder(state_uri: str, environment: str) -> str:
    """Return the folder that nodes of an environment fetch programs from (iam/instance_profile.json)."""
    return f"{state_uri}/nodes/{environment}/program"


def address(place: str, name: str) -> str:
    """Return the address of a program in a folder."""
    return f"{place}/{hashlib.sha256(_body(name)).hexdigest()}-{name}"


def named_in(arguments: Iterable[str]) -> dict[str, bytes]:
    """Return the programs that the arguments of a step name: address -> content."""
    given = tuple(arguments)
    return {
        word: _body(name)
        for name in _NAMES
        for word in given
        if word == address(word.rpartition("/")[0], name)
    }


@functools.cache
def _body(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
