"""The rules of automatic scaling policies: alarms and adjustments, by tables."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.emr.life.auto_scaling import adjusted, is_triggered, wished
from emrbox.emr.life.load import METRICS, Load

FULL = Load(total_mb=1000, allocated_mb=950, containers_allocated=10, containers_pending=20, apps_running=1)
FREE = Load(total_mb=1000, allocated_mb=50, containers_allocated=1)


def rule(by: int = 1, action: dict[str, Any] | None = None, **alarm: Any) -> dict[str, Any]:
    """A rule for when less than 15 % of YARN's memory is free."""
    definition = {
        "ComparisonOperator": "LESS_THAN",
        "MetricName": "YARNMemoryAvailablePercentage",
        "Period": 300,
        "Threshold": 15.0,
        **alarm,
    }
    return {
        "Name": "rule",
        "Action": {"SimpleScalingPolicyConfiguration": {"ScalingAdjustment": by, **(action or {})}},
        "Trigger": {"CloudWatchAlarmDefinition": definition},
    }


def apps(comparison: str, threshold: float) -> dict[str, Any]:
    return {"MetricName": "AppsRunning", "ComparisonOperator": comparison, "Threshold": threshold}


def test_metrics_follow_their_definitions() -> None:
    values = {name: metric.value(FULL) for name, metric in METRICS.items()}
    assert values["YARNMemoryAvailablePercentage"] == 5.0
    assert values["ContainerPendingRatio"] == 2.0
    assert values["IsIdle"] == 0.0
    # Without allocated containers it is the number of pending ones (Management Guide).
    assert METRICS["ContainerPendingRatio"].value(Load(containers_pending=7)) == 7.0


@pytest.mark.parametrize(
    ("alarm", "samples", "triggered"),
    [
        ({}, [FULL], True),
        ({}, [FREE], False),
        ({}, [], False),
        ({"EvaluationPeriods": 2}, [FULL], False),
        ({"EvaluationPeriods": 2}, [FREE, FULL, FULL], True),
        ({"EvaluationPeriods": 2}, [FULL, FREE], False),
        ({"Period": 600}, [FREE, FULL], False),  # 50 on average
        ({"Period": 600, "Statistic": "MINIMUM"}, [FREE, FULL], True),
        ({"Period": 600, "Statistic": "MAXIMUM"}, [FREE, FULL], False),
        ({"Statistic": "SAMPLE_COUNT", "Period": 600}, [FREE, FULL], True),  # 2 < 15
        (apps("GREATER_THAN_OR_EQUAL", 1), [FULL], True),
        (apps("GREATER_THAN", 1), [FULL], False),
        (apps("LESS_THAN_OR_EQUAL", 0), [FREE], True),
    ],
)
def test_an_alarm_wants_its_condition_in_each_of_its_periods(
    alarm: dict[str, Any], samples: list[Load], *, triggered: bool
) -> None:
    assert is_triggered(rule(**alarm), samples) == triggered


PERCENT = "PERCENT_CHANGE_IN_CAPACITY"


@pytest.mark.parametrize(
    ("kind", "by", "count", "after"),
    [
        (None, 2, 3, 5),
        ("CHANGE_IN_CAPACITY", -2, 3, 1),
        ("EXACT_CAPACITY", 7, 3, 7),
        (PERCENT, 50, 4, 6),
        (PERCENT, 30, 9, 11),  # 2.7 is 2
        (PERCENT, 10, 3, 4),  # 0.3 is 1
        (PERCENT, -10, 3, 2),  # -0.3 is -1
        (PERCENT, -30, 9, 7),  # -2.7 is -2
        (PERCENT, 50, 0, 0),
    ],
)
def test_an_adjustment_changes_the_count(kind: str | None, by: int, count: int, after: int) -> None:
    action = {"AdjustmentType": kind} if kind else {}
    assert adjusted(count, rule(by=by, action=action)) == after


@pytest.mark.parametrize(
    ("by", "count", "after"),
    [
        ((5,), 3, 6),  # the maximum
        ((-5,), 3, 2),  # the minimum
        ((1,), 6, None),
        ((1,), 8, None),  # above the maximum it is not taken further, nor back
        ((-1,), 1, None),
        ((1, 2, -1), 3, 5),  # the largest size of several rules
        ((), 3, None),
    ],
)
def test_a_group_stays_within_its_constraints(by: tuple[int, ...], count: int, after: int | None) -> None:
    policy = {
        "Constraints": {"MinCapacity": 2, "MaxCapacity": 6},
        "Rules": [rule(by=one) for one in by],
    }
    found = wished(policy, count, [FULL])
    assert (found and found[0]) == after
