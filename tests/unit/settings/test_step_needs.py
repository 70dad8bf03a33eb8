"""The graph of a pipeline's steps: what each waits for, and descriptions that no cluster could run."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import documents, many
from hypothesis import given

from kiln.errors import UsageError, caught
from kiln.settings import step_needs, typed
from kiln.settings.model import StepSettings


def step(name: str, **more: Any) -> StepSettings:
    return StepSettings(name=name, jar="command-runner.jar", **more)


def test_steps_without_needs_are_a_sequence() -> None:
    assert step_needs.of([step("a"), step("b"), step("c")]) == {"a": (), "b": ("a",), "c": ("b",)}


def test_one_step_with_needs_makes_a_graph_in_which_the_others_begin_at_once() -> None:
    steps = [step("a"), step("b"), step("c", needs=("a", "b"))]
    assert step_needs.of(steps) == {"a": (), "b": (), "c": ("a", "b")}
    assert step_needs.of([step("a"), step("b", needs=())]) == {"a": (), "b": ()}


def test_clean_up_steps_come_after_all_others_wherever_they_stand() -> None:
    steps = [step("clean", always=True), step("a"), step("b")]
    assert [one.name for one in step_needs.ordered(steps, step_needs.of(steps))] == ["a", "b", "clean"]
    graph = [step("clean", always=True), step("a"), step("b", needs=("a",))]
    assert set(step_needs.of(graph)["clean"]) == {"a", "b"}


def test_needs_by_way_of_steps_that_are_left_out_count() -> None:
    needs = step_needs.of([step("a"), step("b", needs=("a",)), step("c", needs=("b",))])
    assert step_needs.among(needs, ["c", "a"]) == {"c": ("a",), "a": ()}
    assert step_needs.among(needs, ["c", "b", "a"]) == needs


@pytest.mark.parametrize(
    ("steps", "concurrency", "words"),
    [
        ([step("sd"), step("cdd", needs=("sdd",))], 1, "did you mean sd"),
        (
            [step("a", needs=("b",)), step("b", needs=("a",)), step("c")],
            1,
            "a, b need each other in a circle",
        ),
        ([step("a", needs=("a",))], 1, "a need each other"),
        ([step("a", always=True), step("b", needs=("a",))], 1, "that one is an always step"),
        ([step("a"), step("b", always=True, needs=("a",))], 1, "b is an always step"),
        ([step("a", action_on_failure="CANCEL_AND_WAIT")], 2, "EMR refuses it with .*level 2"),
        ([step("a", action_on_failure="TERMINATE_CLUSTER")], 2, "TERMINATE_CLUSTER"),
    ],
)
def test_steps_that_no_cluster_could_run_are_refused_with_their_place(
    steps: list[StepSettings], concurrency: int, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as error:
        step_needs.check(steps, "group_vars/p.yml:3", concurrency=concurrency)
    assert error.value.message.startswith("group_vars/p.yml:3: steps")
    assert error.value.fix


@pytest.mark.parametrize("action", ["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER"])
def test_one_step_at_a_time_may_have_any_action_on_failure(action: Any) -> None:
    step_needs.check([step("a", action_on_failure=action)], "x", concurrency=1)


@many
@given(value=documents())
def test_steps_of_any_form_are_steps_or_one_clear_error(value: Any) -> None:
    given = [{"name": "a", "jar": "j", "needs": value}, {"name": "b", "jar": "j"}]
    found: list[StepSettings] = []

    def read() -> None:
        found.extend(typed.convert(given, tuple[StepSettings, ...], label="here", key="steps"))
        step_needs.check(found, "here")
        assert [one.name for one in step_needs.ordered(found, step_needs.of(found))] == ["a", "b"]

    error = caught(read)
    if error is not None:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        assert error.message.startswith("here: steps")
