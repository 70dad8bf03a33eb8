"""Mistakes of somebody who runs a playbook by hand: one clear message, before AWS is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ansible_copy import AnsibleCopy

PIPELINE = ("-e", "pipeline=model_building")


def launch(ansible_copy: AnsibleCopy, *arguments: str) -> str:
    """Return what a launch that has to fail says."""
    hosts = ("-i", "inventory/local/hosts.yml")
    finished = ansible_copy.run("ansible-playbook", *hosts, "playbooks/launch.yml", *arguments)
    assert finished.returncode == 2
    assert "Traceback" not in finished.stdout
    return " ".join(finished.stdout.split())


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            "emr_cluster_core_cuont=2",
            "unknown key emr_cluster_core_cuont (did you mean emr_cluster_core_count?)",
        ),
        ("runid=r1", "unknown key runid (did you mean run_id?)"),
        ("emr_cluster_core_count=two", "emr_cluster_core_count is 'two': expected a whole number"),
        ("ds={{7*7}}", "the date 49 is none"),
        ("model_repo_name=../x", "model_repo_name is '../x': expected the name of a folder"),
        ("model_repo_url=--upload-pack=x", "model_repo_url is '--upload-pack=x': no address of a git remote"),
        ("model_repo_branch=m*n", "model_repo_branch is 'm*n': no name of a branch"),
    ],
)
def test_a_wrong_extra_variable_is_refused(ansible_copy: AnsibleCopy, extra: str, words: str) -> None:
    assert words in launch(ansible_copy, *PIPELINE, "-e", "run_id=r1", "-e", extra)


def test_an_unknown_key_of_a_file_is_refused(ansible_copy: AnsibleCopy) -> None:
    ansible_copy.append("group_vars/model_building.yml", "\nkiln_ownr: me\n")
    said = launch(ansible_copy, *PIPELINE)
    lines = (ansible_copy.root / "group_vars/model_building.yml").read_text().splitlines()
    place = f"group_vars/model_building.yml:{len(lines)}"
    assert f"{place}: unknown key kiln_ownr (did you mean kiln_owner?)" in said


def test_an_unknown_pipeline_is_refused_with_what_there_is(ansible_copy: AnsibleCopy) -> None:
    said = launch(ansible_copy, "-e", "pipeline=model_bilding")
    assert "unknown pipeline model_bilding in local (did you mean model_building?)" in said
    assert f"pipelines there: {', '.join(ansible_copy.pipelines('local'))}" in said


@pytest.mark.parametrize("name", ["unlisted", "nodes", "local", "pipelines"])
def test_a_pipeline_that_the_environment_does_not_list_is_refused(
    ansible_copy: AnsibleCopy, name: str
) -> None:
    ansible_copy.write("group_vars/unlisted.yml", "steps: []\n")
    assert f"unknown pipeline {name} in local" in launch(ansible_copy, "-e", f"pipeline={name}")


def test_a_listed_pipeline_with_a_name_that_cannot_be_used_is_refused(ansible_copy: AnsibleCopy) -> None:
    hosts = (ansible_copy.root / "inventory/local/hosts.yml").read_text()
    ansible_copy.write("inventory/local/hosts.yml", hosts.replace("model_building:", "click-stream:"))
    said = launch(ansible_copy, "-e", "pipeline=click-stream")
    assert "inventory/local/hosts.yml: the pipeline name click-stream cannot be used" in said
