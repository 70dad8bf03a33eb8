from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import END_SECONDS, FakeCluster, shape

from kiln.emr import clusters, finding, launch, lost_calls, ownership, terminate
from kiln.emr.request import launch_request
from kiln.emr.waiting import Waiting
from kiln.errors import ClusterNotFoundError, LaunchError, NotTerminatedError, UnknownOutcomeError
from kiln.exit_codes import ExitCode
from kiln.identity import Identity
from kiln.ledger.schema import Attempt

if TYPE_CHECKING:
    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context
    from kiln.ledger.store import Ledger

WAITING = Waiting(timeout_seconds=300, interval_seconds=5)


def launched(aws: FakeAws, identity: Identity, at: float = 0.0, **tags: str) -> str:
    """Put a cluster into the account behind kiln's back."""
    request = launch_request(identity, shape(), aws.clock.now())
    request["Tags"] = [{"Key": t["Key"], "Value": tags.get(t["Key"], t["Value"])} for t in request["Tags"]]
    cluster_id = f"j-X{len(aws.clusters)}"
    aws.clusters[cluster_id] = FakeCluster(cluster_id, request, at)
    return cluster_id


def test_a_launch_says_its_intent_before_it_happens(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    launch.launch(context, identity, shape(), ledger)
    assert aws.calls.index("PutObject") < aws.calls.index("RunJobFlow")


def test_a_repeated_launch_finds_its_cluster(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    first, new = launch.launch(context, identity, shape(), ledger)
    again, changed = launch.launch(context, identity, shape(), ledger)
    assert (first.id, new, again.id, changed) == (again.id, True, first.id, False)
    assert aws.calls.count("RunJobFlow") == 1


def test_a_launch_whose_answer_was_lost_is_found_by_its_tags(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    aws.before_call = lambda at: aws.faults.update(
        {at: "lost_after"} if aws.calls[-1] == "RunJobFlow" else {}
    )
    found, _ = launch.launch(context, identity, shape(), ledger)
    assert [found.id] == aws.live()
    kept = ledger.read()
    assert kept is not None
    assert kept.attempts[-1].cluster_id == found.id


def lose_the_first(aws: FakeAws, call: str) -> None:
    """Let the first such call get no answer and have no effect."""
    seen: list[int] = []

    def lose(at: int) -> None:
        if aws.calls[-1] == call and not seen:
            seen.append(at)
            aws.faults[at] = "lost_before"

    aws.before_call = lose


def test_a_launch_that_shows_no_effect_is_unknown_and_not_repeated_by_itself(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    lose_the_first(aws, "RunJobFlow")
    with pytest.raises(UnknownOutcomeError, match="not known") as error:
        launch.launch(context, identity, shape(), ledger)
    assert error.value.exit_code == ExitCode.LAUNCH
    assert aws.calls.count("RunJobFlow") == 1
    assert clock.seconds >= lost_calls.LAG_SECONDS


def test_the_next_launch_of_the_run_searches_for_the_lost_one_first(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    lose_the_first(aws, "RunJobFlow")
    with pytest.raises(UnknownOutcomeError):
        launch.launch(context, identity, shape(), ledger)
    before = clock.seconds
    _, launched = launch.launch(context, identity, shape(), ledger)
    assert launched
    assert len(aws.clusters) == 1
    assert clock.seconds >= before + lost_calls.LAG_SECONDS


def test_an_intent_of_a_driver_that_died_is_waited_for(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    ledger.update(lambda run: run.attempts.append(Attempt(intent_at=ledger.now())))

    def appear(_: int) -> None:
        if clock.seconds >= 10 and not aws.clusters:
            launched(aws, identity, clock.seconds)

    aws.before_call = appear
    found, changed = launch.launch(context, identity, shape(), ledger)
    assert (found.id, changed) == ("j-X0", False)
    assert "RunJobFlow" not in aws.calls


def test_of_two_clusters_of_one_run_the_older_is_kept(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    clock.seconds = 100

    def somebody_else_launches(_: int) -> None:
        if aws.calls[-1] == "RunJobFlow":
            launched(aws, identity, 50)

    aws.before_call = somebody_else_launches
    found, _ = launch.launch(context, identity, shape(), ledger)
    assert found.id == "j-X0"
    assert aws.live() == ["j-X0"] or aws.clusters["j-0002"].ended_at is not None


def test_a_cluster_of_the_same_name_but_other_tags_is_not_ours(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    launched(aws, identity, managed_by="somebody else")
    launched(aws, identity, environment="prod")
    named = clusters.named(context, "local", "model_building")
    assert [ownership.identity_of(one) for one in named] == [None, None]
    assert ownership.of_run(context, identity).mine == ()


def test_none_or_several_live_clusters_are_an_error_that_lists_them(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    with pytest.raises(ClusterNotFoundError) as none:
        finding.only(context, "local", "model_building")
    assert "no live cluster" in none.value.message
    first = launched(aws, identity)
    second = launched(aws, Identity(environment="local", pipeline="model_building", run_id="r2"))
    with pytest.raises(ClusterNotFoundError) as several:
        finding.only(context, "local", "model_building")
    assert [line.split()[0] for line in several.value.details] == [first, second]


@pytest.fixture
def _a_busy_pipeline(aws: FakeAws) -> None:
    """Thirty live clusters of other runs."""
    for number in range(30):
        launched(aws, Identity(environment="local", pipeline="model_building", run_id=f"other-{number}"))


@pytest.mark.usefixtures("_a_busy_pipeline")
def test_finding_the_cluster_of_a_run_describes_no_other_cluster(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    mine = launched(aws, identity)
    assert finding.only(context, "local", "model_building", identity.run_id).id == mine
    assert aws.calls == ["ListClusters", "DescribeCluster"]


@pytest.mark.usefixtures("_a_busy_pipeline")
def test_several_clusters_of_a_pipeline_are_listed_with_one_call(context: Context, aws: FakeAws) -> None:
    with pytest.raises(ClusterNotFoundError, match="30 live clusters"):
        finding.only(context, "local", "model_building")
    assert aws.calls == ["ListClusters"]


@pytest.mark.usefixtures("_a_busy_pipeline")
def test_a_launch_beside_other_runs_describes_only_its_own_cluster(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    mine, _ = launch.launch(context, identity, shape(), ledger)
    assert mine.id in aws.live()
    assert aws.calls.count("ListClusters") == 2
    assert aws.calls.count("DescribeCluster") == 2


def test_own_protection_is_cleared_before_the_end(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    found, _ = launch.launch(context, identity, shape(termination_protected=True), ledger)
    ended = terminate.terminate(context, found.id, WAITING)
    assert ended.state == "TERMINATED"
    assert aws.calls.index("SetTerminationProtection") < aws.calls.index("TerminateJobFlows")


def test_foreign_protection_is_left_alone_and_reported(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    foreign = launched(aws, identity, managed_by="somebody else")
    aws.clusters[foreign].protected = True
    with pytest.raises(NotTerminatedError):
        terminate.terminate(context, foreign, WAITING)


def test_nothing_is_ended_before_aws_says_so(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    found, _ = launch.launch(context, identity, shape(), ledger)
    aws.never_ends = True
    with pytest.raises(NotTerminatedError) as error:
        terminate.terminate(context, found.id, WAITING)
    assert found.id in error.value.fix


def test_an_unreadable_ledger_does_not_stop_the_end(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    found, _ = launch.launch(context, identity, shape(), ledger)
    aws.objects[ledger.uri] = b"not json"
    (ended,) = terminate.end_run(context, identity, ledger, WAITING)
    assert (ended.id, ended.state) == (found.id, "TERMINATED")


def test_one_cluster_that_does_not_end_does_not_save_the_others(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    first, second = launched(aws, identity), launched(aws, identity)
    real = aws.terminate_cluster

    def refuse(cluster_id: str) -> None:
        if cluster_id != first:
            real(cluster_id)

    aws.terminate_cluster = refuse  # type: ignore[method-assign]
    with pytest.raises(NotTerminatedError):
        terminate.end_run(context, identity, ledger, WAITING)
    assert aws.clusters[second].ended_at is not None


def test_a_refused_request_is_a_launch_error_with_awss_words(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    aws.before_call = lambda at: aws.faults.update({at: "refused"} if aws.calls[-1] == "RunJobFlow" else {})
    with pytest.raises(LaunchError, match="refused"):
        launch.launch(context, identity, shape(), ledger)


def test_a_protected_second_cluster_is_ended_too(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    clock.seconds = 100

    def somebody_else_launches(_: int) -> None:
        if aws.calls[-1] == "RunJobFlow":
            launched(aws, identity, 50)

    aws.before_call = somebody_else_launches
    found, _ = launch.launch(context, identity, shape(termination_protected=True), ledger)
    assert found.id == "j-X0"
    assert aws.clusters["j-0002"].ended_at is not None


def test_all_clusters_of_a_run_are_asked_to_end_before_anything_is_waited_for_or_written(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    ids = [launched(aws, identity), launched(aws, identity)]
    launch.launch(context, identity, shape(), ledger)
    over = launched(aws, identity)
    aws.clusters[over].ended_at = -1000.0
    ledger.update(lambda run: run.attempts.append(Attempt(intent_at=ledger.now(), cluster_id=over)))
    begun, calls = clock.seconds, len(aws.calls)
    terminate.end_run(context, identity, ledger, WAITING)
    assert [aws.clusters[one].ended_at for one in ids] == [begun, begun]
    assert aws.calls.index("PutObject", calls) > aws.calls.index("TerminateJobFlows", calls)
    run = ledger.read()
    assert run is not None
    assert [one.end_state for one in run.attempts] == ["TERMINATED", "TERMINATED"]


def test_a_ledger_that_cannot_be_written_holds_the_end_up_for_half_a_minute_only(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, ledger: Ledger
) -> None:
    found, _ = launch.launch(context, identity, shape(), ledger)

    def before(at: int) -> None:
        if aws.calls[-1] in {"GetObject", "PutObject"} and "TerminateJobFlows" in aws.calls:
            aws.faults[at] = "throttled"

    aws.before_call = before
    (ended,) = terminate.end_run(context, identity, ledger, WAITING)
    assert (ended.id, ended.state) == (found.id, "TERMINATED")
    assert clock.seconds < END_SECONDS + 30 + 15


def refuse_until(aws: FakeAws, clock: VirtualClock, seconds: float, kind: str = "refused") -> None:
    """Let AWS refuse to end clusters until that time."""

    def before(at: int) -> None:
        if aws.calls[-1] == "TerminateJobFlows" and clock.seconds < seconds:
            aws.faults[at] = kind

    aws.before_call = before


def test_a_refused_termination_is_asked_again_until_it_is_accepted(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity, reported: list[str]
) -> None:
    cluster_id = launched(aws, identity)
    refuse_until(aws, clock, 100)
    ended = terminate.terminate(context, cluster_id, WAITING)
    assert ended.state == "TERMINATED"
    assert len([line for line in reported if "asking again" in line]) == 1


def test_protection_that_somebody_sets_again_is_cleared_again(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity
) -> None:
    cluster_id = launched(aws, identity)

    def protect_again(_: int) -> None:
        if aws.calls[-1] == "TerminateJobFlows" and clock.seconds < 60:
            aws.clusters[cluster_id].protected = True

    aws.before_call = protect_again
    assert terminate.terminate(context, cluster_id, WAITING).state == "TERMINATED"
    assert aws.calls.count("SetTerminationProtection") > 1


@pytest.mark.parametrize(
    ("protected", "reason", "advice"),
    [(True, "termination protected", "modify-cluster-attributes"), (False, "refused", "iam/operator.json")],
)
def test_the_error_has_the_last_refusal_and_what_to_do_about_it(
    context: Context,
    aws: FakeAws,
    clock: VirtualClock,
    identity: Identity,
    *,
    protected: bool,
    reason: str,
    advice: str,
) -> None:
    cluster_id = launched(aws, identity, managed_by="somebody else")
    aws.clusters[cluster_id].protected = protected
    if not protected:
        refuse_until(aws, clock, 10_000)
    with pytest.raises(NotTerminatedError, match=f"longer than 300 s.*refused: .*{reason}") as error:
        terminate.terminate(context, cluster_id, WAITING)
    assert advice in error.value.fix
    assert aws.calls.count("TerminateJobFlows") > 10


def test_a_cluster_that_stays_in_terminating_is_asked_again_every_five_minutes(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    cluster_id = launched(aws, identity)
    aws.never_ends = True
    with pytest.raises(NotTerminatedError):
        terminate.terminate(context, cluster_id, Waiting(timeout_seconds=900, interval_seconds=15))
    assert aws.calls.count("TerminateJobFlows") == 3
