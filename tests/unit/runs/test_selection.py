from __future__ import annotations

import argparse

import pytest

from kiln.errors import UsageError
from kiln.runs import selection, step_parts
from kiln.runs.step_parts import Part
from kiln.settings.model import StepSettings

STEPS = (
    StepSettings(name="sd", jar="j", group="models"),
    StepSettings(name="cdd", jar="j", group="models"),
    StepSettings(name="report", jar="j"),
)


def names(actions: str) -> list[str]:
    return [phase.name for phase in selection.make(selection.actions(actions), STEPS).phases]


def test_no_actions_mean_everything_and_an_end() -> None:
    whole = selection.make([], STEPS)
    assert [phase.name for phase in whole.phases] == ["launch", "provision", "deploy", "sd", "cdd", "report"]
    assert (whole.whole, whole.ends) == (True, True)


def test_a_group_stands_for_its_steps_in_order() -> None:
    assert names("models") == ["sd", "cdd"]
    assert names("report, sd") == ["report", "sd"]


def test_actions_without_terminate_leave_the_cluster_to_somebody_else() -> None:
    assert selection.make(["launch"], STEPS).ends is False
    assert selection.make(["sd", "terminate"], STEPS).ends is True


@pytest.mark.parametrize(
    ("actions", "words"),
    [("lunch", "did you mean launch?"), ("sd,cddd", "did you mean cdd?"), ("terminate,sd", "last action")],
)
def test_actions_that_make_no_sense_are_refused(actions: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")) as error:
        names(actions)
    assert error.value.fix


@pytest.mark.parametrize("said", ["", " ", ",", ", ,"])
def test_a_list_without_an_action_is_not_the_whole_pipeline(said: str) -> None:
    with pytest.raises(UsageError, match="no action in it"):
        selection.actions(said)


GRAPH = (
    StepSettings(name="load", jar="j"),
    StepSettings(name="left", jar="j", needs=("load",), group="sides"),
    StepSettings(name="right", jar="j", needs=("load",), group="sides"),
    StepSettings(name="join", jar="j", needs=("left", "right")),
    StepSettings(name="clean", jar="j", always=True),
)


@pytest.mark.parametrize(
    ("part", "chosen"),
    [
        (Part(only=("left", "join")), "left join"),
        (Part(only=("sides",)), "left right"),
        (Part(first="left"), "left join clean"),
        (Part(last="left"), "load left clean"),
        (Part(first="left", last="left"), "left clean"),
        (Part(first="sides", last="right"), "right clean"),
        (Part(), "load left right join clean"),
    ],
)
def test_a_part_of_a_graph_goes_by_what_steps_need(part: Part, chosen: str) -> None:
    found = selection.make([], GRAPH, part)
    assert [one.name for one in found.steps] == chosen.split()
    assert found.step_needs["join"] == ("left", "right")


@pytest.mark.parametrize(
    ("part", "chosen"),
    [
        (Part(first="cdd"), "cdd report"),
        (Part(last="cdd"), "sd cdd"),
        (Part(only=("report", "sd")), "sd report"),
    ],
)
def test_a_part_of_a_sequence_goes_by_order(part: Part, chosen: str) -> None:
    assert [one.name for one in selection.make([], STEPS, part).steps] == chosen.split()


@pytest.mark.parametrize("part", [Part(only=("cddd",)), Part(first="cddd"), Part(last="cddd")])
def test_a_part_from_a_step_that_is_none_is_refused(part: Part) -> None:
    with pytest.raises(UsageError, match=r"did you mean cdd\?"):
        selection.make([], STEPS, part)


def test_a_part_is_one_of_a_whole_run() -> None:
    with pytest.raises(UsageError, match="of a whole run"):
        selection.make(["sd"], STEPS, Part(last="cdd"))


def test_steps_that_are_asked_for_one_by_one_keep_the_order_asked_for() -> None:
    found = selection.make(["report", "sd", "report"], STEPS)
    assert found.step_needs == {"report": (), "sd": ("report",)}
    assert selection.make(["join", "load"], GRAPH).step_needs["join"] == ("left", "right")


def test_again_is_about_the_selected_steps() -> None:
    assert selection.make(["sd"], STEPS, Part(again=True)).again == {"sd"}
    assert selection.make([], STEPS, Part(only=("cdd",), again=True)).again == {"cdd"}
    assert selection.make([], STEPS).again == frozenset()


def test_steps_that_follow_each_other_are_one_stage() -> None:
    whole = selection.make(["launch", "sd", "cdd", "deploy", "report"], STEPS)
    assert [[phase.name for phase in stage] for stage in whole.stages] == [
        *(["launch"], ["sd", "cdd"], ["deploy"], ["report"])
    ]


@pytest.mark.parametrize("wrong", [{"only": ""}, {"only": ","}, {"first": " "}, {"only": "a", "last": "b"}])
def test_options_that_choose_nothing_are_refused(wrong: dict[str, str]) -> None:
    options = {"only": None, "first": None, "last": None, "again": False} | wrong
    with pytest.raises(UsageError) as error:
        step_parts.asked(argparse.Namespace(**options))
    assert error.value.fix
