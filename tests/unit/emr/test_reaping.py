"""The table of reasons: each row applies when it should, and nothing else makes a cluster end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import shape
from hostile import many, texts
from hypothesis import example, given
from hypothesis import strategies as st

from kiln.aws.effects import Cluster, Step
from kiln.clock import timestamp
from kiln.emr import reaping, tags
from kiln.identity import Identity, name_of
from kiln.ledger.schema import DEAD_SECONDS, Driver, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IDENTITY = Identity(environment="local", pipeline="model_building", run_id="r1", owner="ops")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRACE = 900
PAST, FUTURE = (timestamp(NOW + timedelta(seconds=seconds)) for seconds in (-1, 1))


def cluster(created: float = 600, state: str = "WAITING", **changed: str | None) -> Cluster:
    return tagged(changed, created, state)


def tagged(changed: Mapping[str, str | None], created: float = 600, state: str = "WAITING") -> Cluster:
    begun = NOW - timedelta(seconds=created)
    given = {**tags.tags(IDENTITY, shape(max_lifetime_seconds=86_400), begun), **changed}
    return Cluster(
        id="j-1",
        name=name_of(IDENTITY),
        state=state,
        created_at=begun,
        ready_at=begun,
        tags={key: value for key, value in given.items() if value is not None},
    )


def step(state: str, ended: float | None) -> Step:
    at = None if ended is None else NOW - timedelta(seconds=ended)
    return Step(id="s-1", name="sd", state=state, created_at=NOW - timedelta(days=1), ended_at=at)


def run(*drivers: tuple[bool, float]) -> Run:
    """Return a ledger with drivers: whether each is whole, and how long ago its heartbeat was."""
    listed = [
        Driver(
            id=f"d{number}",
            host="ops-1",
            pid=number,
            whole=whole,
            started_at=PAST,
            heartbeat_at=timestamp(NOW - timedelta(seconds=ago)),
        )
        for number, (whole, ago) in enumerate(drivers)
    ]
    return Run(environment="local", pipeline="model_building", run_id="r1", created_at="x", drivers=listed)


def reason(one: Cluster, **more: Any) -> str:
    found = reaping.judged(reaping.Case(cluster=one, now=NOW, aws_now=NOW, grace_seconds=GRACE, **more))
    return found.reason.name if found else ""


IDLE = 3600 + GRACE
DEAD, ALIVE = DEAD_SECONDS + 1, DEAD_SECONDS - 2
CASES: dict[str, tuple[str, Callable[[], str]]] = {
    "a new one": ("", lambda: reason(cluster())),
    "its expiry has passed": ("expired", lambda: reason(cluster(expires_at=PAST))),
    "and a driver works": ("expired", lambda: reason(cluster(expires_at=PAST), run=run((True, 1)))),
    "and it is ending already": ("expired", lambda: reason(cluster(state="TERMINATING", expires_at=PAST))),
    "and it is held": ("", lambda: reason(cluster(expires_at=PAST, held_until=FUTURE))),
    "the end of its hold has passed": ("held_too_long", lambda: reason(cluster(held_until=PAST))),
    "its hold was taken back": ("", lambda: reason(cluster(held_until=""))),
    "an expiry that is no time": ("", lambda: reason(cluster(expires_at="yesterday"))),
    "an expiry without a zone": ("", lambda: reason(cluster(expires_at="2020-01-01"))),
    "no expiry": ("", lambda: reason(cluster(expires_at=None))),
    "no expiry, and idle": ("idle", lambda: reason(cluster(IDLE, expires_at=None))),
    "an older one of the run": ("doubled", lambda: reason(cluster(), older="j-0")),
    "and a driver works on one": ("", lambda: reason(cluster(), older="j-0", run=run((True, 1)))),
    "and it is ending": ("", lambda: reason(cluster(state="TERMINATING"), older="j-0")),
    "its driver is dead": ("orphaned", lambda: reason(cluster(state="STARTING"), run=run((True, DEAD)))),
    "its driver is slow": ("", lambda: reason(cluster(), run=run((True, ALIVE)))),
    "a single action is dead": ("", lambda: reason(cluster(), run=run((False, DEAD)))),
    "all are dead": ("orphaned", lambda: reason(cluster(), run=run((True, DEAD), (False, DEAD)))),
    "another driver works": ("", lambda: reason(cluster(), run=run((True, DEAD), (False, 1)))),
    "the ledger has no driver": ("", lambda: reason(cluster(), run=run())),
    "S3 gives no answer": ("", lambda: reason(cluster(IDLE), older="j-0", is_unknown=True)),
    "and it has expired": ("expired", lambda: reason(cluster(expires_at=PAST), is_unknown=True)),
    "no step for long": ("idle", lambda: reason(cluster(IDLE))),
    "no step for a second less": ("", lambda: reason(cluster(IDLE - 1))),
    "and a driver is at work": ("", lambda: reason(cluster(IDLE), run=run((False, 1)))),
    "and it is held for debugging": ("", lambda: reason(cluster(IDLE, held_until=FUTURE))),
    "a step ended late": ("", lambda: reason(cluster(IDLE), steps=(step("COMPLETED", 60),))),
    "a step ended early": ("idle", lambda: reason(cluster(2 * IDLE), steps=(step("FAILED", IDLE),))),
    "a step runs": ("", lambda: reason(cluster(IDLE, state="RUNNING"), steps=(step("RUNNING", None),))),
    "a step is pending": ("", lambda: reason(cluster(IDLE), steps=(step("PENDING", None),))),
    "a step has a new state": ("", lambda: reason(cluster(IDLE), steps=(step("SLEEPING", None),))),
    "a longer timeout": ("", lambda: reason(cluster(IDLE, idle_timeout_seconds="7200"))),
    "a timeout that is none": ("idle", lambda: reason(cluster(IDLE, idle_timeout_seconds="-1"))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_cluster_ends_for_the_reason_of_its_row(case: str) -> None:
    expected, found = CASES[case]
    assert found() == expected


def test_every_reason_has_a_case() -> None:
    assert {one.name for one in reaping.REASONS} == {expected for expected, _ in CASES.values()} - {""}


@many
@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: texts(PAST, FUTURE, "0", "60")
            for key in ("expires_at", "held_until", "idle_timeout_seconds", "owner")
        },
    )
)
@example({"expires_at": "0001-01-01T00:00:00+23:59"})
@example({"held_until": "9999-12-31T23:59:59-23:59"})
@example({"idle_timeout_seconds": "9" * 5000})
def test_no_tag_is_an_error_and_only_a_time_that_has_passed_ends_a_cluster(changed: dict[str, str]) -> None:
    found = reason(tagged(changed))
    assert (found == "expired") == (
        changed.get("expires_at") == PAST and changed.get("held_until") not in {PAST, FUTURE}
    )
    assert (found == "held_too_long") == (changed.get("held_until") == PAST)


@many
@given(texts(PAST, FUTURE), texts("ops-1"), st.booleans())
def test_no_heartbeat_is_an_error(heartbeat: str, host: str, whole: bool) -> None:  # noqa: FBT001
    kept = run((whole, 0))
    kept.drivers = [msgspec.structs.replace(kept.drivers[0], heartbeat_at=heartbeat, host=host)]
    assert reason(cluster(), run=kept) in {"", "orphaned"}


def test_the_page_of_the_reaper_has_the_table() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/operations/reaper.md").read_text()
    rows = [line for line in page.splitlines() if line.endswith(("| yes |", "| no |"))]
    assert rows == [
        f"| `{one.name}` | {one.meaning} | {'yes' if one.despite_driver else 'no'} |"
        for one in reaping.REASONS
    ]
