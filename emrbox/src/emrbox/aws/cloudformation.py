"""CloudFormation makes nothing of the services that are emrbox's own.

moto would: in its own records of them, which nobody sees.
"""

from __future__ import annotations

from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError

_OWN = ("AWS::Athena::", "AWS::EMR::")
_class_of_type = parsing.resource_class_from_type


def install() -> None:
    """Make moto's CloudFormation in this process refuse them."""
    parsing.resource_class_from_type = _not_own  # moto has no extension point here


def _not_own(resource_type: str) -> Any:
    if resource_type.startswith(_OWN):
        raise ValidationError(
            message=f"Resource type {resource_type} is not available in this region: emrbox's CloudFormation "
            "makes none; call the service's own API."
        )
    return _class_of_type(resource_type)
