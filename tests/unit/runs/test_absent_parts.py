"""A whole run of a pipeline that has nothing to provision or deploy has no such phase."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kiln.phases import Need
from kiln.runs import absent_parts, selection
from kiln.settings.files import Source
from kiln.settings.model import StepSettings

STEPS = (StepSettings(name="load", jar="x"),)
SECRET = [Source("f.yml", {"node_secrets_values": {"a": "{{ vault_a }}"}})]


def driver(**settings: Any) -> Any:
    nothing = {"emr_node_os_packages": (), "emr_node_python_requirements": "", "model_repo_url": ""}
    return SimpleNamespace(**nothing | settings)


def names(actions: list[str], sources: list[Source], **settings: Any) -> list[str]:
    return absent_parts.without(selection.make(actions, STEPS), driver(**settings), sources).names


@pytest.mark.parametrize(
    ("settings", "sources", "more"),
    [
        ({}, [], []),
        ({"emr_node_os_packages": ("jq",)}, [], ["provision"]),
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


def test_a_phase_that_is_asked_for_by_name_stays() -> None:
    assert names(["provision", "deploy"], []) == ["provision", "deploy"]


def test_a_run_without_them_needs_no_nodes_over_ssh() -> None:
    assert not absent_parts.without(selection.make([], STEPS), driver(), []).needs(Need.NODES)
