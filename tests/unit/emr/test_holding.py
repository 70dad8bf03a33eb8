"""A held cluster: its tags, EMR's policy, the ledger, and what the reaper then does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from fakes import START, FakeCluster, FakeStep, shape

from kiln.aws.effects import StepRequest
from kiln.clock import timestamp
from kiln.emr import holding, reaper
from kiln.emr.request import launch_request
from kiln.emr.sweep import Asked
from kiln.emr.waiting import Waiting
from kiln.errors import AwsError, ClusterNotFoundError

if TYPE_CHECKING:
    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context
    from kiln.identity import Identity
    from kiln.ledger.store import Ledger

ASKED = Asked("local", "s3://state/kiln", 900)
LIMITS = Waiting(timeout_seconds=300, interval_seconds=5)
HOLD = 1800


@pytest.fixture
def cluster(aws: FakeAws, identity: Identity, clock: VirtualClock) -> FakeCluster:
    """A cluster whose step failed 100 seconds ago."""
    one = FakeCluster("j-1", launch_request(identity, shape(), START), 0.0)
    one.steps = [FakeStep("s-1", StepRequest(name="sd", jar="x.jar", args=()), 60, 40, "FAILED")]
    aws.clusters["j-1"] = one
    clock.seconds = 200
    return one


def at(seconds: float) -> str:
    return timestamp(START + timedelta(seconds=seconds))


def test_a_hold_stands_in_tags_policy_ledger_and_lines(
    context: Context, aws: FakeAws, cluster: FakeCluster, ledger: Ledger
) -> None:
    ledger.note("begun")
    held = holding.hold(context, aws.describe_cluster("j-1"), HOLD, ledger)
    assert held.until == at(200 + HOLD)
    assert cluster.tags == {
        "expires_at": held.until,
        "held_until": held.until,
        "idle_timeout_seconds": str(HOLD + 100),
    }
    assert cluster.idle_seconds == HOLD + 100  # EMR counts from the end of the step
    kept = ledger.read()
    assert kept is not None
    assert kept.held_until == held.until
    assert "kept until" in held.lines[0]
    named = "model_building --env local --run-id r1"
    for command in ("ssh", "tunnel", "hold", "run model_building terminate --env local --run-id r1"):
        assert any(f"kiln {command}" in line for line in held.lines), held.lines
    assert any(f"kiln ssh {named}" in line for line in held.lines)


def test_a_held_cluster_stays_until_its_hold_is_over_and_not_longer(
    context: Context, aws: FakeAws, clock: VirtualClock, cluster: FakeCluster, ledger: Ledger
) -> None:
    assert cluster.id == "j-1"
    holding.hold(context, aws.describe_cluster("j-1"), HOLD, ledger)
    clock.seconds = 200 + HOLD - 1
    assert reaper.reap(context, ASKED, LIMITS).rows["j-1"].action == "keep"
    clock.seconds = 200 + HOLD
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.rows["j-1"].reason, aws.live()) == ("held_too_long", [])


def test_a_hold_may_be_longer_than_the_lifetime_and_be_replaced(
    context: Context, aws: FakeAws, clock: VirtualClock, cluster: FakeCluster, ledger: Ledger
) -> None:
    for _ in range(3):
        holding.hold(context, aws.describe_cluster("j-1"), 86_400, ledger)
        clock.seconds += 80_000
        assert reaper.reap(context, ASKED, LIMITS).rows[cluster.id].action == "keep"


@pytest.mark.parametrize("given", [(1, 60), (10**9, 604_800)])
def test_a_hold_stays_within_what_emr_accepts(
    context: Context, aws: FakeAws, cluster: FakeCluster, ledger: Ledger, given: tuple[int, int]
) -> None:
    held = holding.hold(context, aws.describe_cluster("j-1"), given[0], ledger)
    assert held.until == at(200 + given[1])
    assert cluster.idle_seconds is not None
    assert 60 <= cluster.idle_seconds <= 604_800


def test_a_released_cluster_has_its_lifetime_again(
    context: Context, aws: FakeAws, clock: VirtualClock, cluster: FakeCluster, ledger: Ledger
) -> None:
    holding.hold(context, aws.describe_cluster("j-1"), HOLD, ledger)
    clock.seconds = 1000
    holding.release(context, aws.describe_cluster("j-1"), shape(), ledger)
    assert cluster.tags == {
        "expires_at": at(1000 + 7200),
        "held_until": "",
        "idle_timeout_seconds": "3600",
    }
    assert cluster.idle_seconds == 3600
    clock.seconds = 200 + HOLD + 1
    assert reaper.reap(context, ASKED, LIMITS).rows["j-1"].action == "keep"
    kept = ledger.read()
    assert kept is not None
    assert kept.held_until is None


@pytest.mark.usefixtures("cluster")
def test_what_is_ending_or_not_kilns_is_not_held(context: Context, aws: FakeAws, ledger: Ledger) -> None:
    aws.clusters["j-1"].tags = {"managed_by": "terraform"}
    with pytest.raises(ClusterNotFoundError, match="tags"):
        holding.hold(context, aws.describe_cluster("j-1"), HOLD, ledger)
    aws.clusters["j-1"].tags = {}
    aws.terminate_cluster("j-1")
    with pytest.raises(ClusterNotFoundError, match="TERMINATING"):
        holding.hold(context, aws.describe_cluster("j-1"), HOLD, ledger)


@pytest.mark.parametrize("call", ["AddTags", "PutAutoTerminationPolicy"])
@pytest.mark.usefixtures("cluster")
def test_a_refused_hold_is_an_error_and_leaves_the_expiry(
    context: Context, aws: FakeAws, ledger: Ledger, call: str
) -> None:
    seen = aws.describe_cluster("j-1")
    aws.before_call = lambda number: aws.faults.update({number: "refused"} if aws.calls[-1] == call else {})
    with pytest.raises(AwsError):
        holding.hold(context, seen, HOLD, ledger)
    assert "held_until" not in aws.clusters["j-1"].tags
