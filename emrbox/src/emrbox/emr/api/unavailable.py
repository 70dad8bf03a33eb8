"""Requests that name what emrbox does not have are refused, by the table of `request_members.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws import protocol
from emrbox.aws.errors import invalid_request, validation_error
from emrbox.emr.api.request_members import SHAPES, Use

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Check a request that fits the model of an operation; raise the operation's own error.

    The wording is emrbox's own. Members without a value (an empty text, an empty list) ask for nothing.
    """
    model = protocol.service_model("emr").operation_model(operation)
    of_model = {shape.name for shape in model.error_shapes}
    for owner, name in _members(model.input_shape, request):
        row = SHAPES[owner][name]
        if row.use is Use.REFUSED:
            error = invalid_request if "InvalidRequestException" in of_model else validation_error
            raise error(f"{name} is not available in this region: emrbox has no {row.what}.")


def _members(shape: Any, value: Any) -> Iterator[tuple[str, str]]:
    """Give each member of a value that is set, by its shape's name and its own."""
    if shape.type_name == "list":
        for one in value:
            yield from _members(shape.member, one)
    elif shape.type_name == "structure" and shape.name in SHAPES:
        for name, inner in value.items():
            if inner:
                yield shape.name, name
                yield from _members(shape.members[name], inner)
