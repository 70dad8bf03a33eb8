"""A pipeline without model repo, Python environment and steps: its settings pass, its roles do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kiln.settings import resolve
from kiln.settings.ansible_values import Question

if TYPE_CHECKING:
    from ansible_copy import AnsibleCopy

PLAY = """
- hosts: localhost
  vars:
    kiln_checkout: "{{ playbook_dir | dirname }}"
  tasks:
    - ansible.builtin.import_role: {name: emr_node}
    - ansible.builtin.import_role: {name: model_repo}
      when: model_repo_url | length > 0
    - ansible.builtin.import_role: {name: node_secrets}
"""


@pytest.fixture
def bare(ansible_copy: AnsibleCopy) -> AnsibleCopy:
    """A checkout with the pipeline `bare`, of which nothing is described."""
    hosts = (ansible_copy.root / "inventory/local/hosts.yml").read_text()
    ansible_copy.write("inventory/local/hosts.yml", hosts.replace("model_building: {}", "bare: {}"))
    return ansible_copy


def test_its_settings_pass_without_steps_repo_and_lock_file(bare: AnsibleCopy) -> None:
    question = Question(root=bare.root, environment="local", pipeline="bare", run_id="r1")
    driver, shape = resolve.run_settings(question)
    assert (driver.steps, driver.model_repo_url, driver.emr_node_python_requirements) == ((), "", "")
    assert shape.core_count == 2


def test_its_nodes_get_nothing(bare: AnsibleCopy) -> None:
    bare.write("playbooks/try.yml", PLAY)
    finished = bare.run(
        *("ansible-playbook", "-i", "inventory/local/hosts.yml", "playbooks/try.yml", "-e", "pipeline=bare")
    )
    assert finished.returncode == 0, finished.stdout
    assert "changed=0" in finished.stdout
    # Only the checks of the roles' options have run.
    ran = [line for line in finished.stdout.splitlines() if line.startswith("ok: ")]
    assert len(ran) == 2, finished.stdout


def test_the_name_of_the_environment_is_empty_without_a_lock_file(bare: AnsibleCopy) -> None:
    keys = ["emr_node_environment_hash", "emr_node_environment_path"]
    assert bare.settings("local", keys, "pipeline=bare")["values"] == dict.fromkeys(keys, "")
    given = bare.settings(
        "local", keys, "pipeline=bare", "emr_node_python_requirements=requirements/model_building.txt"
    )["values"]
    assert given["emr_node_environment_path"] == f"/opt/kiln/envs/{given['emr_node_environment_hash']}"
    assert len(given["emr_node_environment_hash"]) == 16
