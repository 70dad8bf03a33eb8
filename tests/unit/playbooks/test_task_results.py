"""Results of tasks are made on nodes: they decide neither how a run ends nor how its error is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile import documents, many
from hypothesis import given
from hypothesis import strategies as st

from kiln import phases
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass
from kiln.phases import Phase, Work
from kiln.playbooks.events import OWN_ACTIONS, Event, event_line, event_of
from kiln.playbooks.failures import failure_of

if TYPE_CHECKING:
    from kiln.errors import PlaybookError

TRY = Phase("try", Work.PLAYBOOK, ExitCode.PROVISION)

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
KEYS = (
    "failed msg stderr module_stderr exit_code failure_class fix details message results cluster cluster_id"
    " changed"
)
RESULTS = st.dictionaries(
    st.sampled_from(KEYS.split()), st.one_of(st.sampled_from([0, 14, 99, 137, True, "x", ""]), documents())
)


OWN = {
    "exit_code": 11,
    "failure_class": "validation",
    "message": "no such type",
    "fix": "name another",
    "details": ["one", "two"],
}


def error_of(folder: Path, result: Any, action: str = "ansible.builtin.command") -> PlaybookError:
    """Return the error of a playbook in which one task has failed with this result."""
    data = {"task": "t", "host": "h", "task_action": action, "res": result}
    line = json.dumps(event_line({"event": "runner_on_failed", "event_data": data}))
    return failure_of(TRY, [event_of(line)], folder / "try.log", folder)


@pytest.mark.parametrize("row", phases.PLAYBOOKS, ids=lambda row: str(row.name))
def test_a_failed_task_has_the_exit_code_of_its_phase_and_names_the_phase(
    row: phases.Phase, tmp_path: Path
) -> None:
    for failures in ([], [Event(task="t", host="h", message="no space")]):
        error = failure_of(row, failures, tmp_path / "x.log", tmp_path)
        assert error.exit_code is row.failure
        assert error.message.startswith(f"{row.name}: ")


@many
@given(result=RESULTS, items=st.lists(RESULTS, max_size=2))
def test_no_result_of_a_node_decides_how_a_run_ends(
    tmp_path_factory: pytest.TempPathFactory, result: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    answer = result | {"results": items} if items else result
    error = error_of(tmp_path_factory.getbasetemp(), answer)
    assert error.exit_code is ExitCode.PROVISION
    assert error.failure_class is FailureClass.PROVISION
    assert error.message.startswith("try: task 't' failed on h: ")
    assert error.fix == "read try.log"
    assert all(isinstance(line, str) for line in error.details)


@many
@given(result=RESULTS)
def test_no_result_of_kiln_s_own_modules_makes_a_failure_a_success(
    tmp_path_factory: pytest.TempPathFactory, result: dict[str, Any]
) -> None:
    error = error_of(tmp_path_factory.getbasetemp(), OWN | result, "emr_cluster")
    assert isinstance(error.exit_code, ExitCode)
    assert error.exit_code is not ExitCode.OK
    assert isinstance(error.failure_class, FailureClass)
    assert error.message.startswith("try: ")


@pytest.mark.parametrize("action", sorted(OWN_ACTIONS))
def test_a_failure_of_kiln_s_own_modules_is_shown_as_it_is(tmp_path: Path, action: str) -> None:
    error = error_of(tmp_path, {"failed": True, "msg": "x"} | OWN, action)
    assert (error.exit_code, error.message) == (ExitCode.LAUNCH, "try: no such type")
    assert (error.fix, error.details) == ("name another", ("one", "two"))
    assert error.failure_class is FailureClass.VALIDATION


@pytest.mark.parametrize(
    "line", ["", "5", "[]", "null", '"x"', "{", '{"event": 5}', "[" * 100_000, '{"details": 5}']
)
def test_a_line_that_is_no_event_is_none(line: str) -> None:
    assert event_of(line) == Event()


def test_kiln_s_own_actions_are_those_that_are_never_run_on_a_node() -> None:
    files = [*(PLUGINS / "modules").glob("*.py"), *(PLUGINS / "action").glob("*.py")]
    failing = {file.stem for file in files if "report" in file.read_text() or "answer" in file.read_text()}
    assert failing == OWN_ACTIONS
