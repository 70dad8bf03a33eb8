"""Which steps of a run are still to do, on the same cluster, on a new one, and when nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_world import STEPS, World

from kiln.ledger.schema import StepEntry, StepIdentity
from kiln.runs import to_do
from kiln.settings import step_needs
from kiln.settings.model import StepSettings

AT = "2026-11-21T07:30:00Z"
SAME = StepIdentity(arguments=["j"], commit="abc")


def step(name: str, **more: Any) -> StepSettings:
    return StepSettings(name=name, jar="j", **more)


def entry(name: str, state: str | None = "COMPLETED", cluster: str = "j-1", **more: Any) -> StepEntry:
    given: dict[str, Any] = {"step_id": f"s-{name.upper()}", "identity": SAME} | more
    return StepEntry(name=name, cluster_id=cluster, intent_at=AT, state=state, **given)


def decide(
    pipeline: list[StepSettings],
    *entries: StepEntry,
    cluster: str | None = None,
    whole: bool = True,
    **more: Any,
) -> dict[str, str]:
    facts = to_do.Facts(
        entries=entries,
        identities={one.name: SAME for one in pipeline} | more.pop("identities", {}),
        cluster_id=cluster,
        live_clusters={cluster} if cluster else set(),
        **more,
    )
    found = to_do.to_do(pipeline, step_needs.of(pipeline), facts, whole=whole)
    return {one.settings.name: one.line.partition(": ")[2] for one in found}


def running(decided: dict[str, str]) -> list[str]:
    return [name for name, why in decided.items() if why.startswith("runs")]


TWO = [step("sd"), step("cdd")]
NEEDS = step_needs.of(TWO)


def test_a_run_that_has_done_nothing_does_everything() -> None:
    assert decide(TWO) == {"sd": "runs: it has not run yet", "cdd": "runs: it has not run yet"}


def test_what_is_complete_on_the_same_live_cluster_is_done() -> None:
    decided = decide(TWO, entry("sd"), entry("cdd", "FAILED"), cluster="j-1")
    assert decided == {
        "sd": "skipped: complete as s-SD on j-1 with the same identity",
        "cdd": "runs: FAILED as s-CDD on j-1",
    }


def test_what_a_new_cluster_needs_runs_again_on_it() -> None:
    decided = decide(TWO, entry("sd"), entry("cdd", "FAILED"))
    assert decided["sd"] == "runs: complete as s-SD on j-1 with the same identity, and cdd needs it"


def test_what_is_durable_is_done_wherever_it_ran() -> None:
    decided = decide([step("sd", durable=True), step("cdd")], entry("sd"), entry("cdd", "FAILED"))
    assert decided["sd"] == "skipped: complete as s-SD on j-1 with the same identity, and durable"
    assert running(decided) == ["cdd"]


def test_a_run_whose_steps_are_all_complete_has_nothing_to_launch_for() -> None:
    assert running(decide(TWO, entry("sd"), entry("cdd"))) == []


def test_a_step_that_is_asked_for_alone_runs_on_the_cluster_that_it_is_asked_for() -> None:
    decided = decide(TWO, entry("sd"), entry("cdd"), cluster="j-2", whole=False)
    assert running(decided) == ["sd", "cdd"]
    durable = [step("sd", durable=True), step("cdd")]
    assert running(decide(durable, entry("sd"), entry("cdd"), cluster="j-2", whole=False)) == ["cdd"]


def test_a_durable_step_in_between_needs_nothing_before_it_again() -> None:
    three = [step("load"), step("sd", durable=True), step("cdd")]
    assert running(decide(three, entry("load"), entry("sd"), entry("cdd", "FAILED"))) == ["cdd"]


def test_the_last_try_counts() -> None:
    assert running(decide(TWO, entry("sd"), entry("sd", "FAILED"), cluster="j-1")) == ["sd", "cdd"]
    refused = entry("sd", "REFUSED", step_id=None)
    assert running(decide(TWO, entry("sd"), refused, cluster="j-1")) == ["cdd"]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (StepIdentity(commit="def"), "with another commit (commit: abc -> def)"),
        (StepIdentity(arguments=["j", "--date"]), "with other arguments (+ --date)"),
    ],
)
def test_what_is_complete_with_another_identity_is_not_done(now: StepIdentity, words: str) -> None:
    decided = decide(TWO, entry("sd"), entry("cdd"), identities={"sd": now})
    assert decided["sd"] == f"runs: complete as s-SD on j-1 {words}"


def test_what_is_not_known_is_not_compared() -> None:
    assert running(decide(TWO, entry("sd", identity=None), entry("cdd", identity=StepIdentity()))) == []
    assert running(decide(TWO, entry("sd"), entry("cdd"), identities={"sd": StepIdentity()})) == []


def test_steps_run_again_when_asked_for() -> None:
    decided = decide(TWO, entry("sd"), entry("cdd"), again={"cdd"}, cluster="j-1")
    assert running(decided) == ["cdd"]
    assert decided["cdd"] == "runs: it was asked for again"


def test_clean_up_and_failed_optional_steps_run_again_only_with_others() -> None:
    steps = [step("a", optional=True), step("b"), step("clean", always=True)]
    done = (entry("a", "FAILED"), entry("b"), entry("clean"))
    assert running(decide(steps, *done, cluster="j-1")) == []
    failed = (done[0], entry("b", "FAILED"), done[2])
    decided = decide(steps, *failed, cluster="j-1")
    assert running(decided) == ["a", "b", "clean"]
    assert decided["clean"].endswith("with the same identity, and other steps run")


def test_a_clean_up_step_that_runs_needs_no_other_step_again() -> None:
    steps = [step("sd"), step("clean", always=True)]
    assert running(decide(steps, entry("sd"), entry("clean", "FAILED"))) == ["clean"]


def test_what_is_asked_for_again_or_has_another_identity_runs_although_its_cluster_has_it_complete() -> None:
    facts = to_do.Facts((entry("sd"), entry("cdd")), {"sd": StepIdentity(commit="x")}, "j-1", {"j-1"})
    sd, cdd = to_do.to_do(TWO, NEEDS, facts)
    assert (sd.runs, sd.again, cdd.runs, cdd.again) == (True, True, False, False)
    sd, cdd = to_do.to_do(TWO, NEEDS, facts._replace(again={"sd", "cdd"}))
    assert (sd.again, cdd.again) == (True, True)


def test_a_skipped_step_stands_in_the_result_as_it_ended() -> None:
    facts = to_do.Facts((entry("sd", seconds=7.0),), {}, "j-1", {"j-1"})
    sd, cdd = to_do.to_do(TWO, NEEDS, facts)
    assert sd.result is not None
    assert (sd.result.id, sd.result.state, sd.result.seconds) == ("s-SD", "COMPLETED", 7.0)
    assert cdd.result is None


def test_aws_says_how_a_step_ended_whose_driver_was_killed() -> None:
    world = World()
    world.run("launch,sd")
    run = world.remembered()
    run.steps[0].state = None
    found = to_do.plan(world.context, run, STEPS, NEEDS, cluster_id="j-0001")
    assert [one.runs for one in found] == [False, True]


def test_aws_says_what_a_step_of_an_older_ledger_was_added_with() -> None:
    world = World()
    world.run("launch,sd,cdd")
    run = world.remembered()
    for one in run.steps:
        one.identity = None
    other = [STEPS[0], step("cdd", args=("--date", "2026-11-22"))]
    found = to_do.plan(world.context, run, other, NEEDS, cluster_id="j-0001")
    assert [one.runs for one in found] == [False, True]
    assert "with other arguments" in found[1].why


def test_what_a_launch_would_deploy_counts_before_it() -> None:
    world = World()
    world.run("launch,sd")
    run = world.remembered()
    durable = [step("sd", durable=True, args=("true",)), STEPS[1]]
    run.steps[0].identity = StepIdentity(commit="abc", environment="e1")

    def sd(**known: str) -> bool:
        expected = StepIdentity(**known)  # type: ignore[arg-type]  # texts only
        return to_do.plan(world.context, run, durable, NEEDS, cluster_id=None, expected=expected)[0].runs

    assert (sd(), sd(commit="abc", environment="e1"), sd(commit="def"), sd(environment="e2")) == (
        *(False, False),
        *(True, True),
    )


def test_steps_that_are_left_out_count_as_done() -> None:
    three = [step("load"), step("sd", needs=("load",)), step("cdd", needs=("sd",))]
    needs = step_needs.of(three)
    facts = to_do.Facts((entry("load"), entry("sd")), {}, None, ())
    found = to_do.to_do([three[0], three[2]], needs, facts)
    # cdd needs load by way of sd, which the command line has left out.
    assert [(one.settings.name, one.runs) for one in found] == [("load", True), ("cdd", True)]
    assert [one.runs for one in to_do.to_do([three[0]], needs, facts)] == [False]


STATES = st.sampled_from(["COMPLETED", "FAILED", "CANCELLED", "RUNNING", None])


@settings(max_examples=300)
@given(data=st.data())
def test_nothing_runs_without_what_it_needs_and_nothing_failed_is_called_done(data: st.DataObject) -> None:
    names = [f"s{at}" for at in range(data.draw(st.integers(1, 6)))]
    steps = [
        step(
            name,
            needs=tuple(data.draw(st.sets(st.sampled_from(names[:at]))) if at else ()),
            durable=data.draw(st.booleans()),
        )
        for at, name in enumerate(names)
    ]
    entries = [
        entry(name, data.draw(STATES), data.draw(st.sampled_from(["j-1", "j-2"])))
        for name in data.draw(st.lists(st.sampled_from(names), max_size=8))
    ]
    here = data.draw(st.sampled_from([None, "j-2"]))
    runs = set(running(decide(steps, *entries, cluster=here)))
    last = {one.name: one for one in entries}
    needs = step_needs.of(steps)
    for one in steps:
        if one.name not in runs:
            assert last[one.name].state == "COMPLETED"
        for need in needs[one.name] if one.name in runs else ():
            on_hand = next(other for other in steps if other.name == need).durable
            assert need in runs or on_hand or last[need].cluster_id == here
