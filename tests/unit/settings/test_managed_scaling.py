"""Limits of managed scaling that EMR would refuse are found before a launch."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import shape

from kiln.settings import managed_scaling_check
from kiln.settings.managed_scaling import ManagedScaling


def found(limits: dict[str, int], **changes: Any) -> list[str]:
    wanted = shape(managed_scaling=ManagedScaling(**limits), **changes)
    return [error.message for error in managed_scaling_check.problems(wanted, "group_vars/p.yml:1")]


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"maximum_instances": 1},
        {"minimum_instances": 2, "maximum_instances": 9, "maximum_on_demand_instances": 3},
        {"maximum_instances": 9, "maximum_on_demand_instances": 4, "maximum_core_instances": 4},
    ],
)
def test_limits_that_emr_takes_are_no_problem(limits: dict[str, int]) -> None:
    assert found(limits) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"minimum_instances": 2}, "has no maximum_instances"),
        ({"minimum_instances": 0, "maximum_instances": 2}, "minimum_instances is 0; it has to be 1 to"),
        ({"minimum_instances": 3, "maximum_instances": 2}, "minimum_instances is 3; it has to be 1 to"),
        ({"maximum_instances": 2, "maximum_on_demand_instances": 3}, "maximum_on_demand_instances is 3;"),
        ({"maximum_instances": 2, "maximum_core_instances": 3}, "maximum_core_instances is 3;"),
        ({"maximum_instances": 2, "maximum_core_instances": 0}, "maximum_core_instances is 0;"),
        (
            {"maximum_instances": 9, "maximum_on_demand_instances": 2, "maximum_core_instances": 3},
            "it has to be at most maximum_on_demand_instances (2)",
        ),
    ],
)
def test_limits_that_emr_refuses_are_named_with_their_place(limits: dict[str, int], words: str) -> None:
    (message,) = found(limits)
    assert message.startswith("group_vars/p.yml:1: emr_cluster_managed_scaling")
    assert words in message


def test_spot_core_nodes_may_be_more_than_the_instances_on_demand() -> None:
    limits = {"maximum_instances": 9, "maximum_on_demand_instances": 2, "maximum_core_instances": 3}
    assert found(limits, core_market="SPOT") == []


def test_a_cluster_without_core_nodes_has_nothing_to_scale() -> None:
    (message,) = found({"maximum_instances": 9}, core_count=0)
    assert "emr_cluster_core_count is 0" in message
