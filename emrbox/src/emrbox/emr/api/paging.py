"""Pages of 50 with an opaque marker (docs/aws_facts.md 1.8)."""

from __future__ import annotations

import base64
import binascii
import itertools
from typing import TYPE_CHECKING, TypeVar

from emrbox.aws.errors import invalid_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
PAGE_SIZE = 50


def page(
    items: Sequence[T],
    marker: str | None,
    key: Callable[[T], str],
    *,
    wanted: Callable[[T], bool] = lambda _: True,
    size: int = PAGE_SIZE,
) -> tuple[list[T], str | None]:
    """Return the page of `wanted` items after `marker`, and the next marker.

    A marker names the last item that was handed out, so that items which come or go in between neither hide
    others nor show them twice. That item itself may have changed and be wanted no more.
    """
    start = 0
    if marker is not None:
        last = _decode(marker)
        keys = [key(item) for item in items]
        if last not in keys:
            raise invalid_request("Marker is not valid.")
        start = keys.index(last) + 1
    found = list(itertools.islice(filter(wanted, items[start:]), size + 1))
    return found[:size], _encode(key(found[size - 1])) if len(found) > size else None


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode(marker: str) -> str:
    try:
        return base64.urlsafe_b64decode(marker.encode()).decode()
    except (binascii.Error, ValueError) as problem:
        raise invalid_request("Marker is not valid.") from problem
