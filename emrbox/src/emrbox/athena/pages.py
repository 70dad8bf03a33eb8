"""Pages of a list: the token is the number of the next item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from emrbox.athena.problems import invalid_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, Any]
Item = TypeVar("Item")


def page(request: Document, items: Sequence[Item], most: int) -> tuple[list[Item], Document]:
    """Return the items that a request asks for, `most` by default, and `NextToken` if there are more."""
    first = request.get("NextToken", "0")
    if not first.isdecimal() or (first != "0" and int(first) >= len(items)):
        raise invalid_request("Invalid NextToken")
    start = int(first)
    end = start + request.get("MaxResults", most)
    more = {"NextToken": str(end)} if end < len(items) else {}
    return list(items[start:end]), more
