"""Checks of what a DAG is made of, as tables: key, what its value has to be, and its words in messages."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# As src/kiln/identity.py has it; a test compares both.
NAME = r"[a-z][a-z0-9_]{0,39}"
# What `kiln run --branch` takes, too; a test compares both.
BRANCH = r"[A-Za-z0-9_][A-Za-z0-9_./+=@-]{0,199}"
# Airflow's own names: https://airflow.apache.org/docs/apache-airflow/stable/public-airflow-interface.html
_AIRFLOW_NAME = r"[A-Za-z0-9_.-]{1,200}"
_SHOWN = 60
# The tasks of a DAG that are no steps.
PREVIOUS, PREFLIGHT, LAUNCH, TERMINATE, VERDICT = (
    "previous_run",
    "preflight",
    "launch",
    "terminate",
    "verdict",
)
TASKS = frozenset({PREVIOUS, PREFLIGHT, LAUNCH, TERMINATE, VERDICT})


class SettingsError(Exception):
    """Settings that no DAG can be made of: file, key and value, and what to do about it."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(f"{message}; fix: {fix}")
        self.message = message
        self.fix = fix


class Check(NamedTuple):
    """What the value of a key has to be."""

    expected: str
    is_valid: Callable[[Any], bool]


def _number(least: int, most: int) -> Check:
    return Check(
        f"a whole number from {least} to {most}",
        lambda value: type(value) is int and least <= value <= most,
    )


def _matches(pattern: str, expected: str) -> Check:
    whole = re.compile(pattern)
    return Check(expected, lambda value: isinstance(value, str) and whole.fullmatch(value) is not None)


def _one_of(*words: str) -> Check:
    return Check(" or ".join(words), lambda value: isinstance(value, str) and value in words)


def _texts(one: Check) -> Check:
    return Check(
        f"a list, each of it {one.expected}",
        lambda value: isinstance(value, list) and all(one.is_valid(inner) for inner in value),
    )


def _is_date(value: Any) -> bool:
    try:
        # YAML reads 2026-01-01 without quotes as a date; one with a time is none.
        return date.fromisoformat(str(value)).isoformat() == str(value)
    except ValueError:
        return False


def _is_timezone(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ZoneInfo(value))
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return False
    except KeyError:
        return False


_SWITCH = Check("true or false", lambda value: isinstance(value, bool))
_TEXT = _matches(r"[^\n{}]{1,200}", "text of one line without braces, at most 200 characters")
_STEP_NAME = _matches(NAME, "a name of small letters, digits and _, a letter first, at most 40")
_SECONDS = _number(1, 31_536_000)

_ASSET = _matches(
    r"(?!airflow:)[a-z][a-z0-9+.-]{0,30}://[!-z|~]{1,1000}", "an address like s3://bucket/table"
)

# The key `dag`. A template is none of these: Airflow reads them without Ansible.
DAG: dict[str, Check] = {
    "environment": _STEP_NAME,
    "schedule": Check(
        "a cron expression, such as 0 5 * * *, or null",
        lambda value: value is None or _TEXT.is_valid(value),
    ),
    "schedule_assets": _texts(_ASSET),
    "assets": _texts(_ASSET),
    "start_date": Check("a date, YYYY-MM-DD", _is_date),
    "timezone": Check("a time zone, such as UTC or Europe/Berlin", _is_timezone),
    "catchup": _SWITCH,
    "max_active_runs": _number(1, 1000),
    "pool": _matches(_AIRFLOW_NAME, "a name of letters, digits and _ . -"),
    "retries": _number(0, 100),
    "retry_delay_seconds": _SECONDS,
    "terminate_retries": _number(0, 100),
    "task_timeout_seconds": _SECONDS,
    "wait_for_previous": _one_of("ended", "succeeded", "no"),
    "wait_for": Check("a list of mappings", lambda value: isinstance(value, list)),
    "wait_timeout_seconds": _SECONDS,
    "if_running": _one_of("fail", "skip", "wait"),
    "if_no_cluster": _one_of("launch", "fail"),
    "if_complete": _one_of("succeed", "skip"),
    "terminate": _SWITCH,
    "deferrable": _SWITCH,
    "poll_interval_seconds": _SECONDS,
    "owner": _TEXT,
    "tags": _texts(_matches(r"[^\n{}]{1,100}", "text of one line without braces, at most 100 characters")),
}
# A row of `wait_for`: a task or the whole of another DAG, or objects in S3.
WAIT_FOR_DAG: dict[str, Check] = {
    "dag": _matches(_AIRFLOW_NAME, "the id of a DAG"),
    "task": _matches(_AIRFLOW_NAME, "the id of a task"),
    "hours_before": _number(0, 8760),
}
WAIT_FOR_OBJECT: dict[str, Check] = {
    "object": _matches(
        r"s3://(?:[^/\n{}]|\{environment\})+/(?:[^\n{}]|\{date\}|\{environment\})+",
        "an address like s3://bucket/prefix/{date}/_SUCCESS",
    ),
    "connection": _matches(_AIRFLOW_NAME, "the id of an Airflow connection"),
}
# What a DAG takes from a step; the rest is Kiln's.
STEP: dict[str, Check] = {
    "name": _STEP_NAME,
    "needs": Check(
        "a list of names of steps",
        lambda value: value is None or _texts(_STEP_NAME).is_valid(value),
    ),
    "always": _SWITCH,
}


def shown(value: Any) -> str:
    """Return a value from a file for a message: in ASCII, short."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def mapping(value: Any, table: Mapping[str, Check], label: str, place: str) -> dict[str, Any]:
    """Return a mapping all of whose keys the table has, with valid values. Raises SettingsError."""
    if not isinstance(value, dict):
        raise SettingsError(
            f"{label}: {place} is {shown(value)}: expected a mapping (key: value)",
            fix=f"keys of it: {', '.join(table)}",
        )
    for key, inner in value.items():
        if key not in table:
            raise SettingsError(
                f"{label}: {place} has an unknown key {shown(key)}", fix=f"keys of it: {', '.join(table)}"
            )
        if not table[key].is_valid(inner):
            raise SettingsError(
                f"{label}: {place}.{key} is {shown(inner)}: expected {table[key].expected}",
                fix=f"correct {place}.{key} there",
            )
    return dict(value)
