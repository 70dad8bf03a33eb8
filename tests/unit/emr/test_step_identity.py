"""What decides whether a step is done: arguments, commit, environment, inputs, as far as they are known."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st
from run_world import STEPS, World

from kiln.emr import add_steps, step_identity
from kiln.errors import AwsError, PreflightError, UsageError
from kiln.ledger.schema import Run, StepIdentity
from kiln.settings.model import StepSettings

STEP = STEPS[0]
INPUT = "s3://data/telemetry/"
READER = StepSettings(name="sd", jar="command-runner.jar", args=("true",), inputs=(INPUT,))


def launched(**deployed: Any) -> World:
    world = World()
    assert world.run("launch").exit_code == 0
    deploy(world, **deployed)
    return world


def deploy(
    world: World, commit: str = "abc", environment: str = "e1", cluster: str | None = "j-0001"
) -> None:
    def change(run: Run) -> None:
        run.deployed_commit, run.deployed_environment = commit, environment
        run.deployed_cluster_id = cluster

    world.ledger.update(change)


def refused(world: World, step: StepSettings = STEP) -> UsageError:
    with pytest.raises(UsageError) as error:
        add_steps.add(world.context, "j-0001", step, world.ledger)
    return error.value


def test_the_identity_of_a_step_is_written_with_its_intent() -> None:
    world = launched()
    world.aws.objects[f"{INPUT}a"] = b"1"

    def before(at: int) -> None:
        if world.aws.calls[at] == "AddJobFlowSteps":
            kept = world.remembered().steps[-1].identity
            assert (kept.arguments, kept.commit, kept.environment) == (
                ["command-runner.jar", "true"],
                "abc",
                "e1",
            )
            assert list(kept.inputs) == [INPUT]

    world.aws.before_call = before
    add_steps.add(world.context, "j-0001", READER, world.ledger)
    assert len(world.aws.clusters["j-0001"].steps) == 1


@pytest.mark.parametrize("seconds", [1, 20])
@pytest.mark.parametrize(
    ("change", "what", "line"),
    [
        ({"commit": "def"}, "with another commit", "commit: abc -> def"),
        ({"environment": "e2"}, "with another Python environment", "environment: e1 -> e2"),
    ],
)
def test_a_step_of_other_code_is_refused_with_the_difference(
    change: dict[str, str], what: str, line: str, seconds: float
) -> None:
    world = launched()
    add_steps.add(world.context, "j-0001", STEP, world.ledger)
    world.clock.seconds += seconds
    deploy(world, **change)
    error = refused(world)
    assert what in error.message
    assert error.details == (line,)
    assert ("--again" if seconds > 10 else "cancel model_building") in error.fix
    assert len(world.aws.clusters["j-0001"].steps) == 1


def test_retrying_deploy_with_a_moved_branch_gives_the_next_step_the_new_commit() -> None:
    world = launched()
    assert world.run("sd").exit_code == 0
    deploy(world, commit="def")
    assert world.run("cdd").exit_code == 0
    assert [entry.identity.commit for entry in world.remembered().steps] == ["abc", "def"]
    result = world.run("sd")
    assert (result.exit_code, result.details) == (2, ["commit: abc -> def"])


@pytest.mark.parametrize("change", ["added", "removed", "rewritten"])
def test_a_step_whose_input_has_changed_is_refused(change: str) -> None:
    world = launched()
    world.aws.objects |= {f"{INPUT}a": b"1", f"{INPUT}b": b"2"}
    add_steps.add(world.context, "j-0001", READER, world.ledger)
    world.aws.objects.pop(f"{INPUT}a")
    world.aws.objects |= {
        "added": {f"{INPUT}a": b"1", f"{INPUT}c": b""},
        "removed": {},
        "rewritten": {f"{INPUT}a": b"11"},
    }[change]
    world.clock.seconds += 100
    error = refused(world, READER)
    assert "with other inputs" in error.message
    assert error.details == (f"input {INPUT}: changed",)


def test_a_step_whose_input_is_as_before_is_done() -> None:
    world = launched()
    world.aws.objects |= {f"{INPUT}a": b"1", f"{INPUT}b": b"2"}
    add_steps.add(world.context, "j-0001", READER, world.ledger)
    world.clock.seconds += 100
    assert add_steps.add(world.context, "j-0001", READER, world.ledger)[1] is False


def test_an_input_that_cannot_be_listed_is_named_and_nothing_is_added() -> None:
    world = launched()
    world.aws.before_call = lambda at: world.aws.faults.update(
        {at: "refused"} if world.aws.calls[at] == "ListObjectsV2" else {}
    )
    with pytest.raises(PreflightError, match=f"the input {INPUT} of step sd cannot be listed") as error:
        add_steps.add(world.context, "j-0001", READER, world.ledger)
    assert "s3:ListBucket" in error.value.fix
    assert not isinstance(error.value, AwsError)
    assert "AddJobFlowSteps" not in world.aws.calls


def test_what_was_deployed_to_another_cluster_says_nothing_about_this_one() -> None:
    world = launched()
    deploy(world, cluster="j-OTHER")
    run = world.remembered()
    assert step_identity.of(world.context.effects, run, STEP, "j-0001").commit == ""
    assert step_identity.of(world.context.effects, run, STEP, "j-OTHER").commit == "abc"
    assert step_identity.of(world.context.effects, run, STEP, None).commit == ""


def test_a_step_of_an_older_ledger_is_compared_by_its_arguments_only() -> None:
    world = launched()
    add_steps.add(world.context, "j-0001", STEP, world.ledger)
    world.ledger.update(lambda run: setattr(run.steps[0], "identity", None))
    deploy(world, commit="def", environment="e2")
    assert add_steps.add(world.context, "j-0001", STEP, world.ledger)[1] is False


def test_a_step_that_failed_is_added_again_with_any_identity() -> None:
    world = launched()
    world.aws.step_outcomes["sd"] = "FAILED"
    world.run("sd")
    deploy(world, commit="def")
    world.aws.step_outcomes.clear()
    assert world.run("sd").exit_code == 0
    assert [entry.identity.commit for entry in world.remembered().steps] == ["abc", "def"]


IDENTITIES = st.builds(
    StepIdentity,
    arguments=st.lists(texts(), max_size=3),
    commit=texts("abc"),
    environment=texts("e1"),
    inputs=st.dictionaries(texts(INPUT), texts("d1"), max_size=2),
)


@many
@given(before=IDENTITIES, now=IDENTITIES)
def test_any_identities_are_equal_or_differ_in_lines(before: StepIdentity, now: StepIdentity) -> None:
    assert step_identity.differences(before, before) == {}
    for lines in step_identity.differences(before, now).values():
        assert 0 < len(lines) <= 21
    assert bool(step_identity.differences(before, now)) == bool(step_identity.differences(now, before))
