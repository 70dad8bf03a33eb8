"""Objects of S3 whose names are those of their content: written once, never replaced."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kiln.errors import ConditionFailedError

if TYPE_CHECKING:
    from kiln.aws.effects import Effects


def put_once(effects: Effects, address: str, body: bytes) -> None:
    """Write an object whose name is that of its content. It may be there, and is the same then."""
    if any(found.uri == address for found in effects.list_objects(address)):
        return
    with suppress(ConditionFailedError):
        effects.put_object(address, body, replaces=None)
