"""The forms that values of AWS's answers must have: ids, states, times, addresses, texts."""

from __future__ import annotations

import functools
import ipaddress
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from kiln.errors import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_STATE = re.compile(r"[A-Z_]{1,40}")


def whole(function: Callable[P, T]) -> Callable[P, T]:
    """Count a document that is not what the API's model promises as no answer, whatever is wrong with it."""

    @functools.wraps(function)
    def read(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise UnansweredError(
                f"AWS's answer cannot be read ({function.__name__}: {type(error).__name__})",
                code="MalformedAnswer",
                operation=function.__name__,
                fix="check the profile's endpoint_url: check that it is an AWS endpoint",
            ) from error

    return read


def id_of(value: Any, pattern: re.Pattern[str]) -> str:
    """Return an id that AWS has made. Raises ValueError for anything else."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("not an id")
    return value


def state(value: Any) -> str:
    """Return a state; one that EMR cannot have is UNKNOWN, which is neither live nor ended."""
    return value if isinstance(value, str) and _STATE.fullmatch(value) else "UNKNOWN"


def text(value: Any) -> str:
    """Return a text that people can choose; it may be missing."""
    return value if isinstance(value, str) else ""


def time(value: Any) -> datetime:
    """Return a time, as botocore has parsed it. Raises TypeError for anything else."""
    if not isinstance(value, datetime):
        raise TypeError("not a time")
    return value


def time_if_any(value: Any) -> datetime | None:
    """Return a time that may be missing."""
    return None if value is None else time(value)


def address(value: Any) -> str:
    """Return an IPv4 address, or nothing for what is none."""
    try:
        return str(ipaddress.IPv4Address(value)) if isinstance(value, str) else ""
    except ValueError:
        return ""
