"""Every role that works on nodes has the Molecule scenarios that scripts/run_molecule.py runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import run_molecule
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parents[2]
SCENARIOS = run_molecule.scenarios(CHECKOUT)
FOLDERS = sorted(path.parent for path in (CHECKOUT / "molecule").glob("*/molecule.yml"))
# It only records, on the control host, what the others have done.
RECORDS = {"emr_target"}
# Its environment has 100 packages, which takes too long for `make test`: no default scenario.
OF_INSTANCES = {("data_science_node", "upgrade")}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def roles_of(play: dict[str, Any]) -> Iterator[str]:
    yield from (one["role"] for one in play.get("roles", []))
    for part in ("pre_tasks", "tasks", "post_tasks"):
        for task in play.get(part, []):
            if role := task.get("ansible.builtin.import_role"):
                yield role["name"]


def roles_of_nodes() -> set[str]:
    plays = [play for file in (CHECKOUT / "playbooks").glob("*.yml") for play in read(file)]
    on_nodes = [play for play in plays if play.get("hosts") == "emr_target"]
    return {role for play in on_nodes for role in roles_of(play)} - RECORDS


def test_every_role_of_nodes_has_the_three_scenarios() -> None:
    wanted = {(role, name) for role in roles_of_nodes() for name in ("default", "alternative", "upgrade")}
    assert set(SCENARIOS) == wanted | OF_INSTANCES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_scenario_is_a_few_lines_and_has_tests(folder: Path) -> None:
    text = (folder / "molecule.yml").read_text()
    assert len(text.splitlines()) <= 30
    assert re.match(r"---\n# \w", text), "the first line says what the scenario is for"
    for playbook in yaml.safe_load(text)["ansible"]["playbooks"].values():
        assert (folder / playbook).is_file(), playbook
    assert list(folder.glob("tests/test_*.py"))


def test_lock_files_of_scenarios_pin_each_file_by_its_hash() -> None:
    for lock in (CHECKOUT / "molecule").glob("*/*.txt"):
        assert re.fullmatch(r"(?:\S+==\S+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n)+", lock.read_text()), (
            lock
        )


def test_scenarios_are_chosen_by_role_and_by_name() -> None:
    both = [run_molecule.Scenario("a", "default"), run_molecule.Scenario("a_b", "default")]
    found = [*both, run_molecule.Scenario("a_b", "upgrade")]
    assert run_molecule.chosen(found, "", "") == found
    assert run_molecule.chosen(found, "a_b", "") == found[1:]
    assert run_molecule.chosen(found, "", "default") == both
    assert run_molecule.chosen(found, "a_b", "upgrade") == found[2:]


def test_a_scenario_that_is_not_there_is_answered_with_those_that_are() -> None:
    found = [run_molecule.Scenario("emr_node", "default")]
    with pytest.raises(SystemExit) as refused:
        run_molecule.chosen(found, "emr_nodes", "")
    assert refused.value.code == "molecule: no scenario emr_nodes_*; there are emr_node_default"
