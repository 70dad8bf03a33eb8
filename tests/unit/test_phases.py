"""The table of phases agrees with the playbooks and with everything that reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln import cli, phases
from kiln.errors import UsageError
from kiln.phases import Need, Work
from kiln.runs import selection
from kiln.settings import inventories, step_names
from kiln.settings.model import StepSettings

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("row", phases.PLAYBOOKS, ids=lambda row: str(row.name))
def test_every_playbook_of_the_table_exists(row: phases.Phase) -> None:
    assert (CHECKOUT / f"playbooks/{row.name}.yml").is_file()


def test_names_are_unique_and_only_the_first_phase_launches() -> None:
    assert len({row.name for row in phases.TABLE}) == len(phases.TABLE)
    assert [row.launches for row in phases.TABLE] == [True, False, False, False, False, False]
    assert all(Need.CLUSTER in row.needs for row in phases.TABLE[1:-1])


def test_a_rollback_is_done_when_actions_name_it_only() -> None:
    whole = selection.make([], [])
    assert [phase.name for phase in whole.phases] == [row.name for row in phases.BEFORE_STEPS]
    assert phases.ROLLBACK not in phases.BEFORE_STEPS
    named = selection.make([phases.ROLLBACK.name], [])
    assert [phase.row for phase in named.phases] == [phases.ROLLBACK]
    assert not named.launches
    assert not named.ends


def test_every_phase_is_done_in_a_way_of_its_own_and_has_an_exit_code() -> None:
    assert {row.work for row in phases.TABLE} == set(Work)
    assert all(row.failure for row in phases.TABLE)


@pytest.mark.parametrize("name", phases.ACTIONS)
def test_an_action_is_no_name_for_a_step_or_a_pipeline(tmp_path: Path, name: str) -> None:
    (problem,) = step_names.problems([StepSettings(name=name, jar="j")], str)
    assert f"steps[0].name is {name}, an action's name" in problem.message
    hosts = tmp_path / "inventory/local/hosts.yml"
    hosts.parent.mkdir(parents=True)
    hosts.write_text(
        f"all: {{children: {{local: {{children: {{pipelines: {{children: {{{name}: {{}}}}}}}}}}}}}}\n"
    )
    with pytest.raises(UsageError, match=f"{name} is reserved"):
        inventories.check_pipeline(tmp_path, "local", name)


def test_the_help_names_every_action(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    assert ", ".join(phases.ACTIONS) in capsys.readouterr().out
