"""The operators of IAM's conditions: how one value of a request is compared with one of a policy.

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from emrbox.aws import patterns

if TYPE_CHECKING:
    from emrbox.aws.patterns import Context

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ARN_PARTS = 6


@dataclass(frozen=True)
class Reading:
    """What the evaluation of one statement depends on: the request, the policy's version, its effect."""

    action: str
    context: Context  # keys in small letters
    variables: bool
    denies: bool

    def pattern(self, text: str, *, wildcards: bool) -> patterns.Pattern | None:
        """Return a text of the policy as a pattern; None when a variable has no value."""
        return patterns.read(text, self.context, variables=self.variables, wildcards=wildcards)


Comparison = Callable[[str, str, Reading], bool]  # ValueError, ArithmeticError: cannot be compared


def _like(value: str, wanted: str, reading: Reading) -> bool:
    pattern = reading.pattern(wanted, wildcards=True)
    return pattern is not None and patterns.matches(pattern, value)


def _equals(value: str, wanted: str, reading: Reading) -> bool:
    pattern = reading.pattern(wanted, wildcards=False)
    return pattern is not None and patterns.matches(pattern, value)


def _equals_ignoring_case(value: str, wanted: str, reading: Reading) -> bool:
    pattern = reading.pattern(wanted, wildcards=False)
    return pattern is not None and "".join(map(str, pattern)).lower() == value.lower()


def _arn_like(value: str, wanted: str, reading: Reading) -> bool:
    """Compare two ARNs part by part: a wildcard does not reach over a colon of the first five."""
    pattern = reading.pattern(wanted, wildcards=True)
    if pattern is None:
        return False
    wanted_parts, parts = _arn_parts(pattern), _arn_parts(value)
    return len(wanted_parts) == len(parts) == ARN_PARTS and all(
        patterns.matches(one, "".join(map(str, part))) for one, part in zip(wanted_parts, parts, strict=True)
    )


def _arn_parts(text: patterns.Pattern) -> list[list[str | patterns.Wild]]:
    """Split at the first five colons."""
    parts: list[list[str | patterns.Wild]] = [[]]
    for one in text:
        if one == ":" and len(parts) < ARN_PARTS:
            parts.append([])
        else:
            parts[-1].append(one)
    return parts


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _date(text: str) -> datetime:
    """Read a date of ISO 8601, or seconds since 1970."""
    try:
        return EPOCH + timedelta(seconds=_number(text))
    except ValueError:
        date = datetime.fromisoformat(text)
        return date if date.tzinfo else date.replace(tzinfo=UTC)


def _boolean(text: str) -> bool:
    return ("false", "true").index(text.lower()) == 1


def _ordered(read: Callable[[str], Any], test: Callable[[Any, Any], bool]) -> Comparison:
    return lambda value, wanted, _: test(read(value), read(wanted))


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda value, wanted: value == wanted,
    "LessThan": lambda value, wanted: value < wanted,
    "LessThanEquals": lambda value, wanted: value <= wanted,
    "GreaterThan": lambda value, wanted: value > wanted,
    "GreaterThanEquals": lambda value, wanted: value >= wanted,
}
COMPARISONS: dict[str, Comparison] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_ignoring_case,
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _ordered(_boolean, ORDERS["Equals"]),
    "BinaryEquals": _ordered(str, ORDERS["Equals"]),
    "IpAddress": lambda value, wanted, _: ip_address(value) in ip_network(wanted, strict=False),
    **{f"Numeric{name}": _ordered(_number, test) for name, test in ORDERS.items()},
    **{f"Date{name}": _ordered(_date, test) for name, test in ORDERS.items()},
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
