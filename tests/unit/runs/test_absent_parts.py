"""A whole run of a pipeline that has nothing to provision or deploy has no such phase."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fakes import shape

from kiln.errors import UsageError
from kiln.phases import Need
from kiln.runs import absent_parts, selection
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.files import Source
from kiln.settings.model import StepSettings
from kiln.settings.node_files import NodeFile
from kiln.settings.system_settings import SystemSettings

STEPS = (StepSettings(name="load", jar="x"),)
SECRET = [Source("f.yml", {"node_secrets_values": {"a": "{{ vault_a }}"}})]


def driver(**settings: Any) -> Any:
    nothing = {
        "emr_node_os_packages": (),
        "emr_node_files": (),
        "emr_node_system_settings": SystemSettings(),
        "emr_node_python_requirements": "",
        "model_repo_url": "",
        "emr_cluster_existing": ExistingCluster(),
    }
    return SimpleNamespace(**nothing | settings)


def names(actions: list[str], sources: list[Source], **settings: Any) -> list[str]:
    given = selection.make(actions, STEPS)
    return absent_parts.without(given, driver(**settings), shape(), sources).names


@pytest.mark.parametrize(
    ("settings", "sources", "more"),
    [
        ({}, [], []),
        ({"emr_node_os_packages": ("jq",)}, [], ["provision"]),
        ({"emr_node_files": (NodeFile(path="/etc/team/x", content=""),)}, [], ["provision"]),
        ({"emr_node_system_settings": SystemSettings(kernel={"vm.swappiness": 1})}, [], ["provision"]),
        ({"emr_node_python_requirements": "x.txt"}, [], ["provision"]),
        ({"model_repo_url": "git@h:x"}, [], ["deploy"]),
        ({}, SECRET, ["deploy"]),
        ({}, [*SECRET, Source("-e", {"node_secrets_values": {}})], []),
    ],
)
def test_a_phase_without_work_is_left_out(
    settings: dict[str, Any], sources: list[Source], more: list[str]
) -> None:
    assert names([], sources, **settings) == ["launch", *more, "load", "terminate"]


def test_a_launch_task_of_airflow_leaves_out_what_has_no_work() -> None:
    assert names(["launch", "provision", "deploy"], []) == ["launch"]
    assert names(["launch", "provision", "deploy"], SECRET) == ["launch", "deploy"]


def test_a_phase_that_is_asked_for_by_name_stays() -> None:
    assert names(["provision", "deploy"], []) == ["provision", "deploy"]


def test_a_run_without_them_needs_no_nodes_over_ssh() -> None:
    assert not absent_parts.without(selection.make([], STEPS), driver(), shape(), []).needs(Need.NODES)


WITH_WORK = {"emr_node_os_packages": ("jq",), "model_repo_url": "git@h:x"}


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ({}, []),
        ({"provision": True}, ["provision"]),
        ({"deploy": True}, ["deploy"]),
        ({"provision": True, "deploy": True}, ["provision", "deploy"]),
    ],
)
def test_an_existing_cluster_is_changed_only_when_its_setting_says_so(
    asked: dict[str, bool], more: list[str]
) -> None:
    wanted = ExistingCluster(id="j-1", provision=asked.get("provision", False), deploy="deploy" in asked)
    assert names([], [], emr_cluster_existing=wanted, **WITH_WORK) == ["launch", *more, "load", "terminate"]
    by_action = names(["launch", "provision", "deploy"], [], emr_cluster_existing=wanted, **WITH_WORK)
    assert by_action == ["launch", *more]


def test_an_action_of_which_nothing_is_left_on_an_existing_cluster_is_refused() -> None:
    wanted = ExistingCluster(id="j-1", deploy=True)
    with pytest.raises(UsageError, match="provision: the cluster of emr_cluster_existing is used as it is"):
        names(["provision"], [], emr_cluster_existing=wanted, **WITH_WORK)
    assert names(["deploy"], [], emr_cluster_existing=wanted, **WITH_WORK) == ["deploy"]


def test_on_a_cluster_that_ends_by_itself_nothing_is_done_before_its_steps() -> None:
    given, own_end = selection.make([], STEPS), shape(keep_alive=False)
    settings = driver(emr_node_os_packages=("jq",), emr_cluster_image="latest")
    assert absent_parts.without(given, settings, own_end, []).names == ["launch", "load", "terminate"]
    assert [row.name for row in absent_parts.before_steps(settings, own_end, [])] == ["launch"]
