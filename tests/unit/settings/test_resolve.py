"""Values of settings as Ansible resolves them, and errors for those that have none."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from kiln.errors import UsageError
from kiln.settings import model, resolve
from kiln.settings.ansible_values import Question
from kiln.settings.problems import Problems

pytestmark = pytest.mark.processes

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def question() -> Question:
    return Question(
        root=CHECKOUT,
        environment="local",
        pipeline="model_building",
        run_id="r-7",
        date="2026-11-20",
        extra=("model_building_database_host=db.example", "emr_cluster_core_count=3"),
    )


def test_ansible_resolves_precedence_templates_and_extra_variables(question: Question) -> None:
    driver, shape = resolve.run_settings(question)
    assert driver.kiln_environment == "local"
    assert shape.core_count == 3
    arguments = driver.steps[0].args
    assert "db.example" in arguments
    assert "2026-11-20" in arguments
    assert any(argument.endswith("/r-7") for argument in arguments)


def test_a_shell_in_which_ansible_does_not_work_is_no_hindrance(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    for locale in ("C", "xx_XX.UTF-8"):  # without UTF-8, and one that the machine does not have
        monkeypatch.setenv("LC_ALL", locale)
        driver, _ = resolve.run_settings(question)
        assert driver.kiln_environment == "local"


def test_a_part_of_the_settings_needs_nothing_of_the_rest(question: Question) -> None:
    bare = msgspec.structs.replace(question, extra=(), pipeline="")
    assert resolve.part(bare, model.Account).kiln_state_uri.startswith("s3://")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout whose settings a test may change."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("ansible.cfg", "group_vars", "inventory", "playbooks", "plugins", "roles", "requirements"):
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, root / name, symlinks=True)
        else:
            shutil.copy(source, root / name)
    return root


def test_a_variable_that_nobody_set_is_named_with_what_to_do(question: Question, copy: Path) -> None:
    file = copy / "group_vars/local/main.yml"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("kiln_state_uri")]
    file.write_text("\n".join(kept) + "\n")
    with pytest.raises(UsageError) as error:
        resolve.run_settings(msgspec.structs.replace(question, root=copy))
    assert "kiln_state_uri is not set" in error.value.message
    assert "group_vars/local/main.yml" in error.value.fix


def test_all_that_has_no_value_is_said_at_once(question: Question) -> None:
    with pytest.raises(UsageError, match="has no value") as error:
        resolve.run_settings(msgspec.structs.replace(question, environment="stage", extra=()))
    said = " ".join((error.value.message, *error.value.details))
    assert {"emr_cluster_key_pair", "kiln_state_uri", "model_repo_url"} <= set(said.split())


TEMPLATES = """\
daily_transform_nodes: 2
emr_cluster_core_count: "{{ daily_transform_nodse }}"
daily_transform_first: "{{ daily_transform_second }}"
daily_transform_second: "{{ daily_transform_first }}"
emr_cluster_task_count: "{{ daily_transform_first }}"
kiln_attempts: "{{ kiln_attempts }}"
kiln_hold_seconds: "{{ daily_transform_nodes +* 2 }}"
"""


def test_undefined_variables_and_those_that_refer_to_themselves_are_named_with_file_line_and_fix(
    copy: Path,
) -> None:
    file = "group_vars/daily_transform_local.yml"
    (copy / file).write_text(TEMPLATES)
    found = Problems()
    resolve.examine(Question(root=copy, environment="local", pipeline="daily_transform"), found)
    itself = "it refers to itself, directly or through other variables"
    undefined = (
        "it uses daily_transform_nodse, which is not set anywhere (did you mean daily_transform_nodes?)"
    )
    said = {one.message: one.fix for one in found.found}
    assert said.pop(f"{file}:2: emr_cluster_core_count has no value: {undefined}") == (
        "set daily_transform_nodse, or correct emr_cluster_core_count there"
    )
    for line, key in ((5, "emr_cluster_task_count"), (6, "kiln_attempts")):
        assert said.pop(f"{file}:{line}: {key} has no value: {itself}") == f"correct {key} there"
    ((message, fix),) = said.items()
    assert message.startswith(f"{file}:7: kiln_hold_seconds ")
    assert fix == "correct kiln_hold_seconds there"


def test_a_lock_file_that_is_not_there_is_named_itself(question: Question) -> None:
    extra = ("emr_node_python_requirements=requirements/gone.txt",)
    with pytest.raises(UsageError, match=r"emr_node_python_requirements is requirements/gone\.txt"):
        resolve.run_settings(msgspec.structs.replace(question, extra=extra))


def test_a_lock_file_that_is_no_text_is_named_with_its_value(question: Question) -> None:
    extra = ('{"emr_node_python_requirements": "{{ [\'a\'] }}"}',)
    with pytest.raises(UsageError, match=r"emr_node_python_requirements is \['a'\]: expected text"):
        resolve.run_settings(msgspec.structs.replace(question, extra=extra))


def test_a_file_that_ansible_cannot_read_is_named_also_where_only_a_part_is_asked_for(
    question: Question, copy: Path
) -> None:
    (copy / "group_vars/local/main.yml").write_text("kiln_environment: [local\n")
    with pytest.raises(UsageError, match=r"group_vars/local/main\.yml, line \d+ is not valid YAML"):
        resolve.part(msgspec.structs.replace(question, root=copy, extra=()), model.Account)


def test_a_number_given_as_key_value_counts_for_a_part_of_the_settings_too(
    question: Question,
) -> None:
    extra = ("kiln_terminate_timeout_seconds=5", "kiln_poll_interval_seconds=0.5")
    given = resolve.part(msgspec.structs.replace(question, extra=extra), model.Ending)
    assert (given.kiln_terminate_timeout_seconds, given.kiln_poll_interval_seconds) == (5, 0.5)
    with pytest.raises(UsageError, match="kiln_terminate_timeout_seconds is 'soon'"):
        resolve.part(
            msgspec.structs.replace(question, extra=("kiln_terminate_timeout_seconds=soon",)), model.Ending
        )
