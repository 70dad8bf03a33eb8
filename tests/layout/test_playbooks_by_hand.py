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
    ],
)
def test_a_wrong_extra_variable_is_refused(ansible_copy: AnsibleCopy, extra: str, words: str) -> None:
    assert words in launch(ansible_copy, *PIPELINE, "-e", "run_id=r1", "-e", extra)


def test_an_unknown_key_of_a_file_is_refused(ansible_copy: AnsibleCopy) -> None:
    ansible_copy.append("group_vars/model_building.yml", "\nkiln_ownr: me\n")
    said = launch(ansible_copy, *PIPELINE)
    assert "group_vars/model_building.yml: unknown key kiln_ownr (did you mean kiln_owner?)" in said


def test_an_unknown_pipeline_is_refused_with_what_there_is(ansible_copy: AnsibleCopy) -> None:
    said = launch(ansible_copy, "-e", "pipeline=model_bilding")
    assert 'Unknown pipeline "model_bilding". In local there are: model_building.' in said
