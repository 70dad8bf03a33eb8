from __future__ import annotations

import pytest

from kiln.errors import UsageError
from kiln.runs import selection
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


@pytest.mark.parametrize("bad", [("sd", "sd"), ("launch",), ("terminate",)])
def test_step_names_are_unique_and_no_actions(bad: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="step name"):
        selection.make([], [StepSettings(name=name, jar="j") for name in bad])


@pytest.mark.parametrize("group", ["launch", "cdd"])
def test_a_group_means_one_thing(group: str) -> None:
    steps = [StepSettings(name="sd", group=group, jar="j"), StepSettings(name="cdd", jar="j")]
    with pytest.raises(UsageError, match=f"the group {group} of step sd"):
        selection.make([], steps)


@pytest.mark.parametrize("said", ["", " ", ",", ", ,"])
def test_a_list_without_an_action_is_not_the_whole_pipeline(said: str) -> None:
    with pytest.raises(UsageError, match="no action in it"):
        selection.actions(said)
