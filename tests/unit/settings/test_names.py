"""Names of pipelines, environments, runs and model repos, and settings of any shape: one line each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import UsageError, caught
from kiln.settings import check, files, inventories, names
from kiln.settings.ansible_values import Question

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-4f1c"


def checkout(root: Path, pipeline: str, environment: str = "local", **variables: Any) -> Path:
    tree: dict[str, Any] = {
        "all": {"children": {environment: {"children": {"pipelines": {"children": {pipeline: {}}}}}}}
    }
    for name, content in {
        f"inventory/{environment}/hosts.yml": tree,
        "group_vars/all/kiln.yml": {"kiln_owner": "ops"},
        "group_vars/model_building.yml": variables,
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))
    return root


def refused(work: Any) -> UsageError:
    error = caught(work)
    assert isinstance(error, UsageError)
    assert error.message.isprintable()
    assert error.fix
    return error


@pytest.mark.parametrize(
    "name", ["click-stream", "klickströme", "Clickstream", "1st", "_x", "a b", "x" * 65, "{{ 7 * 7 }}", "x\n"]
)
def test_a_listed_pipeline_with_a_name_that_cannot_be_used_is_one_line(tmp_path: Path, name: str) -> None:
    root = checkout(tmp_path, name)
    error = refused(lambda: inventories.check_pipeline(root, "local", name))
    assert "inventory/local/hosts.yml: the pipeline name" in error.message


def test_an_environment_with_a_name_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    root = checkout(tmp_path, "model_building", environment="Pre-Prod")
    assert (
        "the environment name Pre-Prod"
        in refused(lambda: inventories.check_environment(root, "Pre-Prod")).message
    )


def test_a_pipeline_or_environment_may_be_named_as_the_folder_of_packed_environments(tmp_path: Path) -> None:
    """Nodes may write below <state>/envs/ only: ledgers are elsewhere, below <state>/ledger/."""
    inventories.check_pipeline(checkout(tmp_path / "pipeline", "envs"), "local", "envs")
    inventories.check_environment(checkout(tmp_path / "environment", "daily", environment="envs"), "envs")


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "-x", "x\n", "{x}"])
def test_a_model_repo_whose_name_is_no_folder_is_refused_in_the_settings(tmp_path: Path, name: str) -> None:
    root = checkout(tmp_path, "model_building", model_repo_name=name)
    error = refused(lambda: check.check(root, "local", "model_building", ()))
    assert "group_vars/model_building.yml:1: model_repo_name" in error.message
    assert "the name of a folder" in error.message


@pytest.mark.parametrize(
    "values",
    [
        {"password": CANARY},
        {"password": "{{ vault_a }}{{ vault_b }}"},
        {"password": CANARY + "{{ vault_a }}"},
        {"password": "{{ lookup('pipe', '" + CANARY + "') }}"},
        {"password": "{{ vault_a | upper }}"},
        {"password": [CANARY]},
        [CANARY],
        CANARY,
        {"../x": "{{ vault_a }}"},
    ],
)
def test_a_secret_in_the_settings_is_refused_and_not_shown(tmp_path: Path, values: Any) -> None:
    root = checkout(tmp_path, "model_building", node_secrets_values=values)
    error = refused(lambda: check.check(root, "local", "model_building", ()))
    assert "group_vars/model_building.yml:1: " in error.message
    assert "node_secrets_values" in error.message
    assert CANARY not in error.message + error.fix


def test_references_into_the_vault_pass(tmp_path: Path) -> None:
    values = {"password": "{{ vault_a }}", "user": "{{vault_b_2}}"}
    check.check(
        checkout(tmp_path, "model_building", node_secrets_values=values), "local", "model_building", ()
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pipeline", "{{ lookup('pipe', 'x') }}"),
        ("pipeline", "click-stream"),
        ("run_id", "{{ 7 * 7 }}"),
        ("run_id", "a\n"),
        ("date", "{{ now() }}"),
        ("date", "20261120"),
    ],
)
def test_what_kiln_hands_to_ansible_is_no_template(tmp_path: Path, field: str, value: str) -> None:
    given_values: dict[str, Any] = {"pipeline": "model_building"} | {field: value}
    question = Question(root=tmp_path, environment="local", **given_values)
    refused(question.arguments)


@many
@given(text=texts("model_building", "run-1", "2026-11-20"))
def test_no_name_that_passes_has_a_sign_of_a_template_a_path_or_a_shell(text: str) -> None:
    for test in (lambda text: names.check("pipeline", text), names.check_run_id, names.check_date):
        error = caught(lambda test=test: test(text))  # type: ignore[misc]  # bound at once
        if error:
            assert isinstance(error, UsageError)
            assert error.message.isprintable()
        else:
            assert text.isascii()
            assert not set(text) & set("{}%/\\'\"`$;|&<>*?[]() \n")


KEYS = st.sampled_from(
    [
        *("kiln_owner", "emr_cluster_core_count", "steps", "node_secrets_values", "model_repo_name"),
        *("kiln_state_uri", "emr_cluster_tags", "emr_cluster_bootstrap_actions", "kiln_after_failure"),
        *("unknown", "model_repo_url"),
    ]
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("names"), "model_building")


@many
@given(key=KEYS, value=documents())
def test_settings_of_any_shape_pass_or_are_one_line(root: Path, key: str, value: Any) -> None:
    extra = json.dumps({key: value})
    error = caught(lambda: check.check(root, "local", "model_building", [extra]))
    if error:
        assert isinstance(error, UsageError), error
        assert error.message.isprintable()
        assert len(error.message) < 300


@many
@given(text=texts("kiln_owner=me", '{"kiln_owner": "me"}', "@file"))
def test_an_extra_variable_of_any_shape_is_read_or_is_one_line(text: str) -> None:
    if text.startswith("@"):
        return  # a file: what it holds is tested above
    # Short: deep nests of braces take YAML a second each.
    error = caught(lambda: files.extra_source(text[:200]))
    if error:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        assert len(error.message) < 300
