"""Which existing cluster a run may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import START
from hostile import many, texts
from hypothesis import given
from shared_cluster import launched

from kiln import identity as identities
from kiln.aws.effects import Cluster
from kiln.emr import existing, steps
from kiln.errors import ClusterNotFoundError, UsageError
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.existing_cluster_check import problems
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from fakes import FakeAws

    from kiln.aws.context import Context
    from kiln.identity import Identity
    from kiln.ledger.store import Ledger

SHARED_WITH = existing.SHARED_WITH


@pytest.mark.parametrize(
    "tags", [{}, {SHARED_WITH: "local"}, {SHARED_WITH: "prod local/model_building"}, {"environment": "prod"}]
)
def test_a_cluster_of_others_that_is_named_by_its_id_may_be_used(
    context: Context, aws: FakeAws, identity: Identity, tags: dict[str, str]
) -> None:
    wanted = ExistingCluster(id=launched(aws, tags))
    assert existing.find(context.effects, wanted, identity).id == wanted.id


@pytest.mark.parametrize(
    ("tags", "ours", "why"),
    [
        ({SHARED_WITH: "prod"}, False, "is not shared with local/model_building"),
        ({SHARED_WITH: ""}, False, "is not shared with local/model_building"),
        ({SHARED_WITH: "local/clicks"}, False, "is not shared with local/model_building"),
        ({SHARED_WITH: "local/model_building_2 locals"}, False, "is not shared with"),
        ({}, True, "was launched by Kiln for a run of its own"),
        ({"managed_by": "kiln"}, False, "was launched by Kiln for a run of its own"),
    ],
)
def test_a_cluster_that_is_not_shared_with_the_pipeline_is_refused(
    context: Context, aws: FakeAws, identity: Identity, tags: dict[str, str], *, ours: bool, why: str
) -> None:
    cluster_id = launched(aws, tags, ours=ours)
    with pytest.raises(ClusterNotFoundError) as error:
        existing.find(context.effects, ExistingCluster(id=cluster_id), identity)
    assert why in error.value.message
    assert SHARED_WITH in error.value.fix


def test_a_cluster_of_kilns_that_says_that_it_is_shared_may_be_used(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    wanted = ExistingCluster(id=launched(aws, ours=True))
    assert existing.find(context.effects, wanted, identity).id == wanted.id


def test_tags_find_the_only_cluster_that_has_all_of_them(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    launched(aws, {SHARED_WITH: "local", "team": "other"})
    cluster_id = launched(aws, {SHARED_WITH: "local", "team": "data"})
    ended = launched(aws, {SHARED_WITH: "local", "team": "data"})
    aws.terminate_cluster(ended)
    aws.clock.seconds += 60
    assert existing.find(context.effects, ExistingCluster(tags={"team": "data"}), identity).id == cluster_id


@pytest.mark.parametrize(("count", "words"), [(0, "no clusters"), (2, "2 clusters")])
def test_tags_that_no_or_several_clusters_have_are_refused(
    context: Context, aws: FakeAws, identity: Identity, count: int, words: str
) -> None:
    ids = [launched(aws, {SHARED_WITH: "local", "team": "data"}) for _ in range(count)]
    with pytest.raises(ClusterNotFoundError, match=words) as error:
        existing.find(context.effects, ExistingCluster(tags={"team": "data"}), identity)
    assert [line.split()[0] for line in error.value.details] == ids


def test_a_cluster_found_by_tags_needs_the_tag_that_shares_it(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    launched(aws, {"team": "data"})
    with pytest.raises(ClusterNotFoundError, match="is not named by its id"):
        existing.find(context.effects, ExistingCluster(tags={"team": "data"}), identity)


def test_a_cluster_that_has_ended_or_is_unknown_is_refused(
    context: Context, aws: FakeAws, identity: Identity
) -> None:
    cluster_id = launched(aws)
    aws.terminate_cluster(cluster_id)
    with pytest.raises(ClusterNotFoundError, match="takes no steps: it is TERMINATING"):
        existing.find(context.effects, ExistingCluster(id=cluster_id), identity)
    with pytest.raises(ClusterNotFoundError, match="does not know"):
        existing.find(context.effects, ExistingCluster(id="j-ABSENT"), identity)


def test_a_run_stays_on_its_cluster_while_that_takes_steps(
    context: Context, aws: FakeAws, identity: Identity, ledger: Ledger
) -> None:
    first, second = launched(aws), launched(aws)
    assert existing.attach(context, ExistingCluster(id=first), identity, ledger)[1]
    again, is_new = existing.attach(context, ExistingCluster(id=second), identity, ledger)
    assert (again.id, is_new) == (first, False)
    aws.terminate_cluster(first)
    moved, is_new = existing.attach(context, ExistingCluster(id=second), identity, ledger)
    assert (moved.id, is_new) == (second, True)
    run = ledger.read()
    assert run is not None
    assert (run.own_cluster_ids, run.expected_ids(context.clock.now())) == ([], [])


@many
@given(value=texts("local", "local/model_building", "prod stage", " "))
def test_any_tag_gives_no_one_else_a_permission(value: str) -> None:
    words = value.split()
    tags = {SHARED_WITH: value}
    run = identities.Identity(environment="local", pipeline="model_building", run_id="r1")
    may = "local" in words or "local/model_building" in words
    seen = existing.refusal(_cluster(tags), run, by_id=True)
    assert bool(seen) is not may


def _cluster(tags: dict[str, str]) -> Cluster:
    return Cluster(id="j-1", name="team", state="WAITING", created_at=START, tags=tags)


@many
@given(name=texts("main", "main (local/clicks/r1)", "x ()"))
def test_a_name_at_emr_is_read_as_it_was_written(name: str) -> None:
    if not name:
        return
    label = "local/clicks/scheduled__2026-11-20T00:00:00+00:00"
    assert identities.of_step_name(identities.step_name(name, label)) == (name, label)


def test_a_name_that_is_too_long_for_emr_is_refused_before_the_call() -> None:
    step = StepSettings(name="s" * 40, jar="command-runner.jar")
    with pytest.raises(UsageError, match="too long together"):
        steps.request(step, "e" * 40 + "/" + "p" * 40 + "/" + "r" * 150)


@pytest.mark.parametrize(
    ("wanted", "action", "words"),
    [
        (ExistingCluster(id="j-1", tags={"a": "b"}), "CONTINUE", "both id and tags"),
        (ExistingCluster(provision=True), "CONTINUE", "provision is true, and no cluster is named"),
        (ExistingCluster(id="j-1"), "TERMINATE_CLUSTER", "act on the steps of others"),
        (ExistingCluster(id="j-1"), "CANCEL_AND_WAIT", "act on the steps of others"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    wanted: ExistingCluster, action: str, words: str
) -> None:
    step = StepSettings(name="main", jar="command-runner.jar", action_on_failure=action)  # type: ignore[arg-type]  # from the table
    (found,) = problems(wanted, [step], "group_vars/p.yml:3")
    assert words in found.message
    assert found.message.startswith("group_vars/p.yml:3: ")
