"""What every part of the typed model is made with."""

from __future__ import annotations

import msgspec
from msgspec import Meta


def doc(text: str) -> Meta:
    """Return the documentation of a field: a line that `make docs` writes where options are documented."""
    return Meta(description=text)


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: immutable, named arguments only, no unknown keys."""
