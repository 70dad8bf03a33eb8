"""One sweep of the reaper on an AWS in memory: what ends, what stays, what it costs, what goes wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from fakes import START, FakeCluster, FakeStep, shape

from kiln.aws.effects import Ec2Instance, StepRequest
from kiln.clock import timestamp
from kiln.emr import reaper
from kiln.emr.request import launch_request
from kiln.emr.sweep import Asked
from kiln.emr.waiting import Waiting
from kiln.errors import ThrottledError
from kiln.exit_codes import ExitCode
from kiln.identity import Identity
from kiln.ledger.schema import DEAD_SECONDS, Attempt, Driver
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context

ASKED = Asked("local", "s3://state/kiln", 900)
LIMITS = Waiting(timeout_seconds=300, interval_seconds=5)
LIFETIME = 7200
DAY = 86_400


def run_of(run_id: str, environment: str = "local") -> Identity:
    return Identity(environment=environment, pipeline="model_building", run_id=run_id, owner="ops")


def launched(aws: FakeAws, run_id: str, at: float = 0.0, environment: str = "local", **changed: str) -> str:
    """Put a cluster into the account, launched at that time."""
    identity = run_of(run_id, environment)
    request = launch_request(identity, shape(), START + timedelta(seconds=at))
    cluster_id = f"j-X{len(aws.clusters)}"
    aws.clusters[cluster_id] = FakeCluster(cluster_id, request, at, tags=changed)
    return cluster_id


def with_driver(context: Context, run_id: str, *, whole: bool = True) -> Ledger:
    """Give the run a ledger with a driver whose heartbeat is of now."""
    ledger = Ledger(context.effects, context.clock, ASKED.state_uri, run_of(run_id))
    now = ledger.now()
    driver = Driver(id="d", host="ops-1", pid=7, whole=whole, started_at=now, heartbeat_at=now)
    ledger.update(lambda run: run.drivers.append(driver))
    return ledger


def instance(name: str, **changed: str) -> Ec2Instance:
    tags = {"managed_by": "kiln", "environment": "local", "expires_at": timestamp(START)} | changed
    kept = {
        key.replace("job_flow_id", "aws:elasticmapreduce:job-flow-id"): value for key, value in tags.items()
    }
    return Ec2Instance(id=name, state="running", launched_at=START, private_ip_address="", tags=kept)


def live(aws: FakeAws) -> set[str]:
    return set(aws.live())


def test_a_dry_run_shows_what_would_end_and_changes_nothing(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    old = launched(aws, "old")
    clock.seconds = LIFETIME
    young = launched(aws, "young", at=LIFETIME - 600)
    report = reaper.look(context, ASKED)
    assert {name: (row.action, row.reason) for name, row in report.rows.items()} == {
        old: ("end", "expired"),
        young: ("keep", ""),
    }
    assert (report.exit_code, live(aws)) == (0, {old, young})
    assert set(aws.calls) <= {
        "ListClusters",
        "DescribeCluster",
        "ListSteps",
        "GetObject",
        "DescribeInstances",
    }


def test_one_sweep_after_expiry_leaves_nothing(context: Context, aws: FakeAws, clock: VirtualClock) -> None:
    for number in range(12):
        launched(aws, f"r{number}")
        aws.clusters[f"j-X{number}"].protected = bool(number % 2)
    with_driver(context, "r3")
    aws.instances = {"i-1": instance("i-1")}
    clock.seconds = LIFETIME
    report = reaper.reap(context, ASKED, LIMITS)
    assert all(row.ended for row in report.rows.values())
    assert (report.exit_code, live(aws)) == (0, set())
    assert aws.instances["i-1"].state == "terminated"


def test_all_are_asked_to_end_before_one_is_waited_for(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    for number in range(5):
        launched(aws, f"r{number}")
    aws.instances = {"i-1": instance("i-1")}
    clock.seconds = LIFETIME
    asked_at: list[float] = []
    aws.before_call = lambda _: asked_at.extend([clock.seconds] * (aws.calls[-1] == "TerminateInstances"))
    reaper.reap(context, ASKED, LIMITS)
    assert {one.ended_at for one in aws.clusters.values()} == {LIFETIME}
    assert asked_at == [LIFETIME]


def test_foreign_clusters_and_those_of_others_are_never_touched(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    ours = launched(aws, "ours")
    others = [
        launched(aws, "a", managed_by="terraform"),
        launched(aws, "b", environment="prod"),
        launched(aws, "c", pipeline="another"),
    ]
    unnamed = launched(aws, "d")
    aws.clusters[unnamed].request = dict(aws.clusters[unnamed].request) | {"Name": "somebody's"}
    clock.seconds = DAY
    report = reaper.reap(context, ASKED, LIMITS)
    assert live(aws) == {*others, unnamed}
    shown = {name: row.action for name, row in report.rows.items()}
    assert shown == {ours: "end", others[0]: "not Kiln's", others[2]: "not Kiln's"}
    assert report.exit_code == 0


def test_an_orphan_is_ended_once_its_driver_is_dead_and_its_ledger_says_why(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    name = launched(aws, "r1")
    ledger = with_driver(context, "r1")
    ledger.update(lambda run: run.attempts.append(Attempt(intent_at=ledger.now(), cluster_id=name)))
    clock.seconds += DEAD_SECONDS - 1
    assert reaper.reap(context, ASKED, LIMITS).rows[name].action == "keep"
    clock.seconds += 2
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.rows[name].reason, live(aws)) == ("orphaned", set())
    kept = ledger.read()
    assert kept is not None
    assert kept.drivers == []
    assert [event.kind for event in kept.events] == ["reaped", "cluster_ended"]
    assert kept.events[0].data["reason"] == "orphaned"
    assert kept.attempts[0].end_state == "TERMINATED"


def test_heartbeats_are_judged_by_the_time_of_s3(context: Context, aws: FakeAws, clock: VirtualClock) -> None:
    """The clock of the machine with the reaper is ahead."""
    name = launched(aws, "r1")
    with_driver(context, "r1")
    clock.seconds += DEAD_SECONDS + 20
    aws.s3_ahead = timedelta(seconds=-DEAD_SECONDS)
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.rows[name].action, report.rows[name].why) == ("keep", "a driver works on its run")
    assert live(aws) == {name}
    aws.s3_ahead = timedelta()
    assert reaper.reap(context, ASKED, LIMITS).rows[name].reason == "orphaned"


def test_a_heartbeat_while_the_sweep_runs_is_judged_by_the_time_of_s3(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    name = launched(aws, "r1")
    ledger = with_driver(context, "r1")
    clock.seconds += 2 * DEAD_SECONDS
    aws.s3_ahead = timedelta()

    def beat(_: int) -> None:
        """A driver beats; this machine's clock is ahead of S3's."""
        if aws.calls.count("GetObject") == reads + 2:
            aws.before_call = lambda _: None
            aws.s3_ahead = timedelta(seconds=-DEAD_SECONDS - 20)
            at = clock.now() + aws.s3_ahead
            ledger.update(lambda run: setattr(run.drivers[0], "heartbeat_at", timestamp(at)))

    reads = aws.calls.count("GetObject")
    aws.before_call = beat
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.rows[name].action, live(aws)) == ("keep", {name})


def test_a_driver_that_is_back_at_work_keeps_its_cluster(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    name = launched(aws, "r1")
    ledger = with_driver(context, "r1")
    clock.seconds += DEAD_SECONDS + 1

    def beat(_: int) -> None:
        """The driver writes its heartbeat after the sweep has read the ledger."""
        if aws.calls.count("GetObject") == reads + 2:
            aws.before_call = lambda _: None
            ledger.update(lambda run: setattr(run.drivers[0], "heartbeat_at", ledger.now()))

    reads = aws.calls.count("GetObject")
    aws.before_call = beat
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.rows[name].action, live(aws)) == ("keep", {name})
    assert "at work again" in report.notes[0]


def test_a_live_driver_keeps_all_but_what_has_expired(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    clock.seconds = 100
    first, second = launched(aws, "r1"), launched(aws, "r1", at=1)
    with_driver(context, "r1", whole=False)
    held = launched(aws, "r2", held_until=timestamp(START + timedelta(days=1)))
    report = reaper.reap(context, ASKED, LIMITS)
    assert live(aws) == {first, second, held}
    at_work = "a driver works on its run"
    assert {name: row.why for name, row in report.rows.items()} == {
        first: at_work,
        second: at_work,
        held: "held until 2026-11-22T07:30:00Z",
    }


def test_of_two_clusters_of_a_run_the_oldest_usable_one_stays(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    ending, oldest, youngest = launched(aws, "r1"), launched(aws, "r1", at=1), launched(aws, "r1", at=2)
    aws.clusters[ending].ended_at = 10
    clock.seconds = 20
    report = reaper.reap(context, ASKED, LIMITS)
    assert live(aws) == {oldest}
    assert report.rows[youngest].reason == "doubled"


@pytest.mark.parametrize("body", [None, b"no ledger", b"{}"])
def test_an_idle_cluster_is_ended_without_a_ledger(
    context: Context, aws: FakeAws, clock: VirtualClock, body: bytes | None
) -> None:
    name = launched(aws, "r1", expires_at="")
    aws.objects = {} if body is None else {"s3://state/kiln/ledger/local/model_building/r1.json": body}
    clock.seconds = 3600 + 900 + 60
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.rows[name].reason, live(aws), report.exit_code) == ("idle", set(), 0)
    assert len(report.notes) == (body is not None)
    assert aws.objects == (
        {} if body is None else {"s3://state/kiln/ledger/local/model_building/r1.json": body}
    )


def test_a_cluster_with_a_long_step_is_not_idle(context: Context, aws: FakeAws, clock: VirtualClock) -> None:
    name = launched(aws, "r1", expires_at="")
    request = StepRequest(name="sd", jar="command-runner.jar", args=())
    aws.clusters[name].steps = [FakeStep("s-1", request, 60, DAY - 600, "COMPLETED")]
    for clock.seconds in (DAY / 2, DAY):
        assert reaper.reap(context, ASKED, LIMITS).rows[name].action == "keep"
    assert live(aws) == {name}


def test_while_s3_gives_no_answer_only_what_has_expired_ends(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    expired, idle = launched(aws, "r1"), launched(aws, "r2", expires_at=timestamp(START + timedelta(days=9)))
    clock.seconds = DAY
    aws.before_call = lambda at: aws.faults.update({at: "refused"} if aws.calls[-1] == "GetObject" else {})
    report = reaper.reap(context, ASKED, LIMITS)
    assert live(aws) == {idle}
    assert (report.rows[expired].ended, len(report.notes)) == (True, 2)


def test_an_orphan_stays_while_its_ledger_cannot_be_written(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    name = launched(aws, "r1")
    with_driver(context, "r1")
    clock.seconds += DEAD_SECONDS + 1
    aws.before_call = lambda at: aws.faults.update({at: "refused"} if aws.calls[-1] == "PutObject" else {})
    report = reaper.reap(context, ASKED, LIMITS)
    assert (live(aws), report.rows[name].action, report.exit_code) == ({name}, "keep", 0)
    assert "can be written" in report.notes[0]


def test_what_does_not_end_is_exit_20_and_does_not_save_the_others(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    stuck, good = launched(aws, "r1"), launched(aws, "r2")
    real = aws.terminate_cluster
    aws.terminate_cluster = lambda cluster_id: None if cluster_id == stuck else real(cluster_id)  # type: ignore[method-assign]
    aws.instances = {"i-1": instance("i-1"), "i-2": instance("i-2")}
    aws.terminate_instances = lambda instance_ids: None  # type: ignore[method-assign]  # noqa: ARG005  # as named there
    clock.seconds = LIFETIME
    report = reaper.reap(context, ASKED, LIMITS)
    assert report.exit_code == ExitCode.NOT_TERMINATED
    assert {name: row.ended for name, row in report.rows.items()} == {
        stuck: False,
        good: True,
        "i-1": False,
        "i-2": False,
    }
    assert len(report.errors) == 3
    assert clock.seconds < LIFETIME + 2 * LIMITS.timeout_seconds + 60


def test_a_cluster_that_aws_says_nothing_about_does_not_save_the_others(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    dark, good = launched(aws, "r1"), launched(aws, "r2")
    clock.seconds = LIFETIME
    describe = aws.describe_cluster

    def throttled(name: str) -> object:
        if name == dark:
            raise ThrottledError("Rate exceeded")
        return describe(name)

    aws.describe_cluster = throttled  # type: ignore[method-assign,assignment]
    report = reaper.reap(context, ASKED, LIMITS)
    assert live(aws) == {dark}
    assert (report.rows[dark].action, report.rows[good].ended) == ("not known", True)
    assert report.exit_code == ExitCode.THROTTLED


def test_throttling_is_waited_for(context: Context, aws: FakeAws, clock: VirtualClock) -> None:
    launched(aws, "r1")
    clock.seconds = LIFETIME
    aws.before_call = lambda at: aws.faults.update({at: "throttled"} if at % 2 else {})
    assert reaper.reap(context, ASKED, LIMITS).exit_code == 0
    assert live(aws) == set()


def test_a_sweep_costs_one_listing_and_one_call_for_each_cluster(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    for number in range(20):
        launched(aws, f"r{number}")
        launched(aws, f"p{number}", environment="prod")
    idle = launched(aws, "idle", expires_at=timestamp(START + timedelta(days=9)))
    clock.seconds = 6000
    aws.instances = {f"i-{name}": instance(f"i-{name}", job_flow_id=name) for name in aws.clusters}
    report = reaper.look(context, ASKED)
    counts = {name: aws.calls.count(name) for name in set(aws.calls)}
    idle_ones = [name for name, row in report.rows.items() if row.reason == "idle"]
    assert idle in idle_ones
    assert counts.pop("GetObject") == 21
    assert (
        counts.pop("DescribeCluster") == 21 + 20
    )  # and the owners of nodes that carry this environment's tags
    assert counts == {"ListClusters": 1, "ListSteps": len(idle_ones), "DescribeInstances": 1}


def test_plain_instances_end_by_their_expiry_and_nodes_by_the_end_of_their_cluster(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    young, over, fresh = launched(aws, "young", at=DAY - 60), launched(aws, "over"), launched(aws, "fresh")
    aws.clusters[over].ended_at = 100
    aws.clusters[fresh].ended_at = DAY - 100
    later = timestamp(START + timedelta(days=2))
    aws.instances = {
        one.id: one
        for one in (
            instance("i-expired"),
            instance("i-young", expires_at=later),
            instance("i-unreadable", expires_at="soon"),
            instance("i-foreign", managed_by="terraform"),
            instance("i-prod", environment="prod"),
            instance("i-node", job_flow_id=young),
            instance("i-left", job_flow_id=over),
            instance("i-ending", job_flow_id=fresh),
            instance("i-unknown", job_flow_id="j-UNKNOWN"),
            instance("i-hostile", job_flow_id="../../x"),
            msgspec.structs.replace(instance("i-stopped"), state="stopped"),
            msgspec.structs.replace(instance("i-gone"), state="shutting-down"),
        )
    }
    clock.seconds = DAY
    report = reaper.reap(context, ASKED, LIMITS)
    ended = {name for name, one in aws.instances.items() if one.state == "terminated"}
    assert ended == {"i-expired", "i-left", "i-stopped"}
    assert {name: row.reason for name, row in report.rows.items() if row.ended} == {
        "i-expired": "expired",
        "i-left": "cluster_ended",
        "i-stopped": "expired",
    }
    assert (report.exit_code, live(aws)) == (0, {young})


def test_a_refused_end_of_an_instance_is_asked_again_and_leaves_the_others_alone(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    aws.instances = {name: instance(name) for name in ("i-1", "i-2")}
    aws.before_call = lambda at: aws.faults.update(
        {at: "refused"} if aws.calls[-1] == "TerminateInstances" and clock.seconds < 60 else {}
    )
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.exit_code, all(row.ended for row in report.rows.values())) == (0, True)


def test_two_reapers_at_once_do_no_harm(context: Context, aws: FakeAws, clock: VirtualClock) -> None:
    name = launched(aws, "r1")
    with_driver(context, "r1")
    clock.seconds += DEAD_SECONDS + 1

    def second(_: int) -> None:
        if aws.calls[-1] == "PutObject":
            aws.before_call = lambda _: None
            assert reaper.reap(context, ASKED, LIMITS).rows[name].ended

    aws.before_call = second
    report = reaper.reap(context, ASKED, LIMITS)
    assert (report.rows[name].ended, live(aws)) == (True, set())
