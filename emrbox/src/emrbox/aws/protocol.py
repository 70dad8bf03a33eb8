"""AWS JSON 1.1 by botocore's own service model: requests and answers are checked against it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ParamValidationError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.utils import parse_to_aware_datetime
from botocore.validate import validate_parameters

from emrbox.aws.errors import AwsError, validation_error

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

Report = Callable[[str], None]

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float, str),
}
INTEGER_LIMITS = {"integer": 2**31, "long": 2**63}
MAXIMUM_ERRORS_REPORTED = 10
# The model spells XML's characters with UTF-16 surrogates, which Python's re reads differently.
XML_TEXT_PATTERN = r"[\u0020-\uD7FF\uE000-\uFFFD"
NOT_XML_TEXT = re.compile("[^\r\n\t\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@cache
def service_model(service: str) -> ServiceModel:
    """Load botocore's model of `service`."""
    # Not by a session: that would read the AWS settings of whoever started this process.
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def operation_model(service: str, operation: str) -> OperationModel:
    """Return the model of an operation, or UnknownOperationException as AWS answers it."""
    model = service_model(service)
    if operation not in model.operation_names:
        raise AwsError("UnknownOperationException", f"Unknown operation: {operation[:100]}")
    return model.operation_model(operation)


def parse_request(model: OperationModel, body: bytes) -> dict[str, Any]:
    """Read and check one request. Raises SerializationException or ValidationException, both 400."""
    try:
        document = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as problem:
        raise AwsError("SerializationException", "Could not parse the request body as JSON") from problem
    if not isinstance(document, dict):
        raise AwsError("SerializationException", "Start of structure or map expected")
    if model.input_shape is None:
        return {}
    problems: list[str] = []
    try:
        value = _read(document, model.input_shape, "", problems.append)
    except RecursionError as problem:
        raise AwsError("SerializationException", "The request is nested too deeply") from problem
    if problems:
        shown = problems[:MAXIMUM_ERRORS_REPORTED]
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise validation_error(count + "; ".join(shown))
    return dict(value)


def render_answer(model: OperationModel, answer: dict[str, Any]) -> bytes:
    """Check an answer against the model and serialise it; timestamps become epoch seconds."""
    if model.output_shape is None:
        return b""
    try:
        validate_parameters(answer, model.output_shape)
    except ParamValidationError as problem:
        raise RuntimeError(f"the answer to {model.name} does not fit the model: {problem}") from problem
    return json.dumps(_write(answer, model.output_shape)).encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _read(value: Any, shape: Shape, path: str, report: Report) -> Any:
    expected = JSON_TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        at = path or "the top level"
        raise AwsError(
            "SerializationException",
            f"{type(value).__name__} found where {shape.type_name} is expected at {at}",
        )
    readers: dict[str, Callable[[Any, Any, str, Report], Any]] = {
        "structure": _read_structure,
        "map": _read_map,
        "list": _read_list,
        "timestamp": _read_time,
    }
    reader = readers.get(shape.type_name)
    if reader is not None:
        value = reader(value, shape, path, report)
    _check_limits(value, shape, path, report)
    return value


def _read_structure(value: dict[str, Any], shape: Any, path: str, report: Report) -> dict[str, Any]:
    for name in shape.required_members:
        if value.get(name) is None:
            report(_constraint(None, _join(path, name), "Member must not be null"))
    known = {}
    for name, member in value.items():
        if name not in shape.members:
            report(f"Unknown parameter '{name[:100]}' at '{path or 'request'}'")
        elif member is not None:
            known[name] = _read(member, shape.members[name], _join(path, name), report)
    return known


def _read_map(value: dict[str, Any], shape: Any, path: str, report: Report) -> dict[str, Any]:
    return {key: _read(item, shape.value, _join(path, key), report) for key, item in value.items()}


def _read_list(value: list[Any], shape: Any, path: str, report: Report) -> list[Any]:
    return [_read(item, shape.member, f"{path}.{i}.member", report) for i, item in enumerate(value, 1)]


def _read_time(value: Any, _shape: Shape, path: str, _report: Report) -> datetime:
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        moment: datetime = parse_to_aware_datetime(value)
    except (ValueError, OverflowError, OSError) as problem:
        raise AwsError("SerializationException", f"not a timestamp at {path}") from problem
    return moment


def _check_limits(value: Any, shape: Shape, path: str, report: Report) -> None:
    limits = shape.metadata
    allowed = limits.get("enum")
    if allowed and value not in allowed:
        report(_constraint(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]"))
    if isinstance(value, (str, list, dict)):
        if len(value) > limits.get("max", math.inf):
            report(_constraint(value, path, f"Member must have length less than or equal to {limits['max']}"))
        if len(value) < limits.get("min", 0):
            report(
                _constraint(value, path, f"Member must have length greater than or equal to {limits['min']}")
            )
    if isinstance(value, str) and "pattern" in limits and not _has_pattern(value, limits["pattern"]):
        report(
            _constraint(value, path, f"Member must satisfy regular expression pattern: {limits['pattern']}")
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(value, shape, path, report)


def _check_number(value: float, shape: Shape, path: str, report: Report) -> None:
    limit = INTEGER_LIMITS.get(shape.type_name)
    if limit and not -limit <= value < limit:
        raise AwsError("SerializationException", f"number out of range for {shape.type_name} at {path}")
    if value > shape.metadata.get("max", math.inf):
        report(
            _constraint(value, path, f"Member must have value less than or equal to {shape.metadata['max']}")
        )
    if value < shape.metadata.get("min", -math.inf):
        report(
            _constraint(
                value, path, f"Member must have value greater than or equal to {shape.metadata['min']}"
            )
        )


def _has_pattern(value: str, pattern: str) -> bool:
    if pattern.startswith(XML_TEXT_PATTERN):
        return NOT_XML_TEXT.search(value) is None
    return re.fullmatch(pattern, value) is not None


def _constraint(value: Any, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{str(value)[:200]}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"


def _join(path: str, name: str) -> str:
    name = name[:100]
    return f"{path}.{name[:1].lower() + name[1:]}" if path else name[:1].lower() + name[1:]


def _write(value: Any, shape: Any) -> Any:
    if shape.type_name == "structure":
        return {name: _write(item, shape.members[name]) for name, item in value.items() if item is not None}
    if shape.type_name == "map":
        return {key: _write(item, shape.value) for key, item in value.items()}
    if shape.type_name == "list":
        return [_write(item, shape.member) for item in value]
    if shape.type_name == "timestamp":
        return round(value.timestamp(), 3)
    return value
