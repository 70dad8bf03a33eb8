"""The shape of playbooks, inventories and variables, on which precedence depends."""

import json
import re
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from kiln import phases
from kiln.settings import inventories

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = sorted(path.parent.name for path in (CHECKOUT / "inventory").glob("*/hosts.yml"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def environment_group(environment: str) -> dict[str, Any]:
    tree = read(CHECKOUT / "inventory" / environment / "hosts.yml")
    return dict(tree["all"]["children"][environment])


def pipelines(environment: str) -> set[str]:
    return set(environment_group(environment)["children"]["pipelines"]["children"])


ALL_PIPELINES = set().union(*(pipelines(environment) for environment in ENVIRONMENTS))


def test_playbooks_are_flat_and_the_one_symlink_makes_group_vars_reach_them() -> None:
    link = CHECKOUT / "playbooks/group_vars"
    assert link.is_symlink()
    assert link.resolve() == CHECKOUT / "group_vars"
    others = [path for path in (CHECKOUT / "playbooks").iterdir() if path != link and path.suffix != ".yml"]
    assert others == []
    assert list((CHECKOUT / "inventory").rglob("*_vars")) == []


@pytest.mark.parametrize(
    "playbook", sorted((CHECKOUT / "playbooks").glob("*.yml")), ids=lambda path: path.stem
)
def test_a_playbook_is_a_table_of_contents(playbook: Path) -> None:
    assert len(playbook.read_text().splitlines()) <= 40
    first, *nodes = read(playbook)
    # Hosts are named by the control host's first play only: nothing works on a group that a tag could fill.
    assert first["hosts"] == "localhost"
    assert {play["hosts"] for play in nodes} <= {"emr_target", "data_science"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_control_host_and_its_groups_stand_in_every_inventory(environment: str) -> None:
    group = environment_group(environment)
    assert group["hosts"]["localhost"] == {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    assert set(group["children"]) == {"nodes", "data_science", "pipelines"}
    assert set(group["children"]["nodes"]["children"]) == {"emr_master", "emr_core", "emr_task"}


@pytest.mark.parametrize("environment", ENVIRONMENTS[1:])
def test_inventories_differ_in_account_and_environment_only(environment: str) -> None:
    def rest(name: str) -> dict[str, Any]:
        document = read(CHECKOUT / "inventory" / name / "aws_ec2.yml")
        for key in ("access_key", "secret_key", "endpoint_url", "profile", "regions", "session_token"):
            document.pop(key, None)
        document["filters"]["tag:environment"] = document["filters"]["tag:environment"].replace(name, "*")
        return dict(document)

    assert rest(environment) == rest(ENVIRONMENTS[0])


@pytest.mark.parametrize("pipeline", sorted(ALL_PIPELINES))
def test_a_pipeline_has_a_name_of_its_own_and_its_variables(pipeline: str) -> None:
    for environment in ENVIRONMENTS:
        if pipeline in pipelines(environment):
            inventories.check_pipeline(CHECKOUT, environment, pipeline)
    assert not pipeline.endswith(tuple(f"_{environment}" for environment in ENVIRONMENTS))
    assert not pipeline.startswith(("cluster_", "tag_", "emr_"))
    assert (CHECKOUT / "group_vars" / f"{pipeline}.yml").exists()


@pytest.mark.parametrize("pipeline", sorted(ALL_PIPELINES))
def test_no_step_is_named_as_an_action(pipeline: str) -> None:
    steps = read(CHECKOUT / "group_vars" / f"{pipeline}.yml")["steps"]
    if isinstance(steps, str):
        pytest.skip("made by a template: tests/unit/pipelines asks Ansible, and Kiln checks what it answers")
    names = {step["name"] for step in steps} | {step.get("group", step["name"]) for step in steps}
    assert names & set(phases.ACTIONS) == set()


def test_every_file_of_variables_belongs_to_a_group_that_exists() -> None:
    groups = {"all", "nodes", *ENVIRONMENTS, *ALL_PIPELINES}
    groups |= {f"{pipeline}_{environment}" for pipeline in ALL_PIPELINES for environment in ENVIRONMENTS}
    found = {path.stem for path in (CHECKOUT / "group_vars").iterdir()}
    assert found - groups == set()


def test_every_variable_is_described_where_it_stands_or_in_its_roles_contract() -> None:
    page = (CHECKOUT / "docs/variables.md").read_text()
    for path in (CHECKOUT / "group_vars").rglob("*.yml"):
        missing = [name for name in read(path) if not name.startswith("__") and f"| `{name}` |" not in page]
        assert missing == [], path


def test_secrets_are_mapped_once_and_to_nothing_else() -> None:
    for path in (CHECKOUT / "group_vars").rglob("*.yml"):
        variables = read(path)
        variables.pop("node_secrets_values", None)
        assert not re.search(r"\bvault_", json.dumps(variables)), path


PLACEHOLDERS = {
    *("account_id", "region", "service_role", "instance_role", "data_science_role"),
    "data_science_workgroup",
    *("state_bucket", "state_prefix", "environment", "log_bucket", "data_bucket"),
}


@pytest.mark.parametrize("policy", sorted((CHECKOUT / "iam").glob("*.json")), ids=lambda path: path.stem)
def test_policies_name_what_they_allow(policy: Path) -> None:
    document = json.loads(Template(policy.read_text()).substitute(dict.fromkeys(PLACEHOLDERS, "x")))
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), statement
        assert statement["Effect"] == "Allow"
        if policy.stem.endswith("_trust"):
            continue
        reads_only = all(re.search(r":(Describe|List)", action) for action in actions)
        assert statement["Resource"] != "*" or reads_only or "Condition" in statement, statement["Sid"]
