from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hostile import many, texts
from hypothesis import given

from kiln.errors import UsageError, caught
from kiln.settings import check, inventories, model, secret_references

CHECKOUT = Path(__file__).resolve().parents[3]

HOSTS = """
all:
  children:
    local:
      hosts: {localhost: {}}
      children:
        pipelines:
          children:
            model_building: {}
            daily_transform: {}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small checkout with one environment and two pipelines."""
    for name, text in {
        "inventory/local/hosts.yml": HOSTS,
        "group_vars/all/kiln.yml": "kiln_owner: ops\nkiln_poll_interval_seconds: 15\n",
        "group_vars/local/main.yml": "kiln_environment: local\n",
        "group_vars/model_building.yml": "emr_cluster_core_count: 2\nmodel_building_database_host: db\n",
        "roles/emr_node/meta/argument_specs.yml": (
            "argument_specs: {main: {options: {emr_node_os_packages: {type: list}}}}\n"
        ),
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def refused(root: Path, *extra: str) -> UsageError:
    with pytest.raises(UsageError) as error:
        check.check(root, "local", "model_building", extra)
    assert "\n" not in error.value.message
    return error.value


def test_good_files_pass(root: Path) -> None:
    check.check(root, "local", "model_building", ["emr_cluster_core_count=3"])


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("group_vars/model_building.yml", "emr_cluster_core_cuont: 2", ("emr_cluster_core_count?",)),
        ("group_vars/all/kiln.yml", "kiln_ownr: me", ("kiln_owner?",)),
        ("group_vars/local/main.yml", "emr_cluster_core_count: two", ("'two'", "a whole number")),
        ("group_vars/local/main.yml", "emr_cluster_core_count: -1", ("-1", ">= 0")),
        ("group_vars/local/main.yml", "emr_cluster_core_count: true", ("True", "a whole number")),
        ("group_vars/model_building.yml", "kiln_after_failure: explode", ("explode",)),
        ("group_vars/model_building.yml", "emr_cluster_idle_timeout_seconds: 5", ("5", "60")),
        ("group_vars/model_building.yml", "kiln_state_uri: /state", ("/state",)),
        ("group_vars/model_building.yml", "emr_node_os_packages: jq", ("'jq'", "a list")),
        ("group_vars/model_building.yml", "kiln_after_failure: explode", ("terminate or keep",)),
        ("group_vars/model_building.yml", "steps: [{name: SD, jar: x}]", ("steps[0].name is 'SD'", "letter")),
        ("group_vars/model_building.yml", "steps: [{jar: x}]", ("name", "[0]")),
        ("group_vars/model_building.yml", "steps: [{name: sd, jra: x}]", ("jra",)),
        ("group_vars/model_building_local.yml", "what_is_this: 1", ("what_is_this",)),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_a_fix(
    root: Path, file: str, line: str, words: tuple[str, ...]
) -> None:
    path = root / file
    kept = [old for old in (path.read_text().splitlines() if path.is_file() else []) if old[:14] != line[:14]]
    path.write_text("\n".join([*kept, line]) + "\n")
    error = refused(root)
    for word in (file, line.split(":", maxsplit=1)[0], *words):
        assert word in error.message, error.message
    assert error.fix


def test_broken_yaml_is_named_with_its_line(root: Path) -> None:
    (root / "group_vars/local/main.yml").write_text("a: 1\nb: [1, 2\nc: 3\n")
    assert "group_vars/local/main.yml, line " in refused(root).message


def test_a_file_that_is_no_text_is_named(root: Path) -> None:
    (root / "group_vars/local/main.yml").write_bytes(b"kiln_owner: \xff\xfe\n")
    assert "group_vars/local/main.yml is not text in UTF-8" in refused(root).message


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("emr_cluster_core_cuont=2", "emr_cluster_core_count?"),
        ("emr_cluster_core_count=two", "'two'"),
        ("run_id=x", "--run-id"),
        ("ds=2026-01-01", "--date"),
        ("justaword", "key=value"),
        ("text='open", "no closing quotation"),
        ('{"kiln_owner": ', "not valid YAML"),
        ("[1, 2]", "holds a list"),
        ("@/nowhere/file.yml", "/nowhere/file.yml"),
        ('{"kiln_ownr": 1}', "kiln_owner?"),
    ],
)
def test_a_wrong_extra_variable_is_refused(root: Path, extra: str, words: str) -> None:
    error = refused(root, extra)
    assert words in error.message + error.fix


def test_extra_variables_as_text_may_stand_for_numbers(root: Path) -> None:
    (root / "more.yml").write_text("emr_cluster_core_count: 4\n")
    check.check(root, "local", "model_building", ["emr_cluster_core_count=3 kiln_owner=me"])
    check.check(root, "local", "model_building", [f"@{root}/more.yml", '{"emr_cluster_core_count": 5}'])


def test_templates_vaults_and_a_pipelines_own_variables_pass(root: Path) -> None:
    (root / "group_vars/model_building_local.yml").write_text(
        "emr_cluster_core_count: '{{ 1 + 1 }}'\n"
        "model_building_anything: [1]\n"
        "__model_building_private: 1\n"
        "daily_transform_source: s3://x\n"
        "ansible_user: hadoop\n"
        "kiln_owner: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n"
    )
    check.check(root, "local", "model_building", [])


def test_unknown_environments_and_pipelines_say_what_there_is(root: Path) -> None:
    with pytest.raises(UsageError) as environment:
        inventories.check_environment(root, "locla")
    assert "did you mean local?" in environment.value.message
    with pytest.raises(UsageError) as pipeline:
        inventories.check_pipeline(root, "local", "modle_building")
    assert "did you mean model_building?" in pipeline.value.message
    assert "daily_transform" in pipeline.value.fix


@pytest.mark.parametrize("name", ["launch", "local", "nodes"])
def test_a_pipeline_has_a_name_of_its_own(root: Path, name: str) -> None:
    hosts = root / "inventory/local/hosts.yml"
    hosts.write_text(HOSTS.replace("daily_transform", name))
    with pytest.raises(UsageError, match=f"{name} is reserved"):
        inventories.check_pipeline(root, "local", name)


def test_the_real_files_of_this_checkout_pass() -> None:
    for environment in inventories.environments(CHECKOUT):
        for pipeline in inventories.pipelines(CHECKOUT, environment):
            check.check(CHECKOUT, environment, pipeline, [])


def test_every_role_option_that_the_driver_also_knows_has_the_same_type() -> None:
    kinds = {"str": str, "int": int, "bool": bool, "list": tuple, "dict": dict, "float": float}
    options = check.role_options(CHECKOUT)
    for name, field in model.variables(model.ClusterShape, model.CLUSTER_PREFIX).items():
        if name in options and not name.endswith(("_market", "_bid_price", "_instance_type")):  # of a form
            example = {str: "text", int: 100, bool: True, tuple: (), dict: {}, float: 1.5}[
                kinds[options[name]]
            ]
            if "uri" not in name and "release_label" not in name:
                msgspec.convert(example, field.type)


@pytest.mark.parametrize(
    "line",
    [
        "kiln_owner: '{{ vault_password }}'",
        "kiln_owner: '{{ vault_password'",
        "kiln_owner: \"{{ '}}' ~ vault_password }}\"",
        "ansible_password: \"{{ 'x' ~ vault_password | upper }}\"",
        "model_building_any: {a: [1, ['{% if vault_password %}x{% endif %}']]}",
        "steps: [{name: sd, jar: x, args: ['--password', '{{ vault_password }}']}]",
    ],
)
def test_a_secret_anywhere_but_in_node_secrets_values_is_refused_before_the_launch(
    root: Path, line: str
) -> None:
    (root / "group_vars/model_building_local.yml").write_text(line + "\n")
    error = refused(root)
    assert error.message.startswith("group_vars/model_building_local.yml:1: ")
    assert f"{line.partition(':')[0]} refers to vault_password" in error.message
    assert "node_secrets_values" in error.fix


def test_a_secret_in_an_extra_variable_is_refused(root: Path) -> None:
    assert "-e: kiln_owner refers to vault_x" in refused(root, '{"kiln_owner": "{{ vault_x }}"}').message
    assert "-e: kiln_owner refers to vault_x" in refused(root, "kiln_owner='{{ vault_x }}'").message


@pytest.mark.parametrize(
    "value", ["'{{ vault_key }}'", "-----BEGIN canary-----", "[canary]", "7", "vault_Key", "{canary: 1}"]
)
def test_a_deploy_key_is_the_name_of_a_secret_and_never_shown(root: Path, value: str) -> None:
    (root / "group_vars/model_building.yml").write_text(f"model_repo_deploy_key: {value}\n")
    error = refused(root)
    assert error.message.startswith("group_vars/model_building.yml:1: model_repo_deploy_key is no name of a")
    assert "canary" not in error.message + error.fix
    (root / "group_vars/model_building.yml").write_text("model_repo_deploy_key: vault_key\n")
    check.check(root, "local", "model_building", [])


@many
@given(text=texts("vault_key", "-----BEGIN OPENSSH PRIVATE " + "KEY-----"))
def test_no_value_of_a_deploy_key_is_shown(text: str) -> None:
    error = caught(lambda: secret_references.deploy_key(text, "group_vars/x.yml"))
    if error is None:
        assert text == "" or text.startswith("vault_")
    else:
        assert isinstance(error, UsageError)
        said = "group_vars/x.yml: model_repo_deploy_key is no name of a variable in the vault"
        assert error.message == f"{said} (its value is not shown)"


def test_a_branch_that_a_pinned_version_makes_ineffective_is_refused(root: Path) -> None:
    """`-e model_repo_branch=x` must not deploy what the file pins."""
    file = root / "group_vars/model_building.yml"
    file.write_text("model_repo_branch: main\nmodel_repo_version: v1.4\n")
    error = refused(root, "model_repo_branch=feature")
    assert error.message == (
        "-e: model_repo_branch has no effect: group_vars/model_building.yml sets model_repo_version"
    )
    assert "model_repo_version" in error.fix
    for extra in (["model_repo_version=feature"], ["model_repo_branch=x model_repo_version="], []):
        check.check(root, "local", "model_building", extra)
    file.write_text("model_repo_branch: main\nmodel_repo_version: ''\n")
    check.check(root, "local", "model_building", ["model_repo_branch=feature"])


def test_what_only_looks_like_a_secret_passes(root: Path) -> None:
    (root / "group_vars/model_building_local.yml").write_text(
        "kiln_owner: vault_team\nmodel_building_file: '{{ kiln_checkout }}/vault_notes/x'\n"
        "model_building_other: '{{ node_secrets_vault_file }}'\n"
        "node_secrets_values: {a: '{{ vault_password }}'}\n"
    )
    check.check(root, "local", "model_building", ())


@pytest.mark.parametrize("argument", ["{a: *canary}", "{a: !!int canary}", "[canary", "{a: !!canary x}"])
def test_an_extra_variable_that_is_no_yaml_is_not_shown(root: Path, argument: str) -> None:
    for extra in (argument, f"@{root}/extra.yml"):
        (root / "extra.yml").write_text(f"kiln_owner: x\nb: {argument}\n")
        error = refused(root, extra)
        assert "is not valid YAML" in error.message
        assert "canary" not in error.message + error.fix


@pytest.mark.parametrize(
    "setting",
    [
        {"kiln_notifications": "https://chat.example/canary"},
        {"kiln_notifications": [{"name": "chat", "kind": "webhook", "url": ["canary"]}]},
        {"model_repo_deploy_key": ["canary"]},
    ],
)
def test_a_wrong_reference_to_a_secret_is_one_error_that_does_not_show_it(root: Path, setting: Any) -> None:
    error = refused(root, json.dumps(setting))
    assert "its value is not shown" in error.message
    assert error.details == ()
    assert "canary" not in f"{error.message}{error.fix}"
