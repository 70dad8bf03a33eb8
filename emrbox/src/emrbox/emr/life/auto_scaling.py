"""What the rules of a custom automatic scaling policy ask for. Decided from metrics and numbers alone.

Sources: botocore's model (AutoScalingPolicy and what is in it); EC2 Auto Scaling User Guide, "Simple and step
scaling policies" for rounding; Application Auto Scaling User Guide for several rules at once.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from emrbox.emr.life.load import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emrbox.emr.life.load import Load

SAMPLE_SECONDS = 300  # EMR's metrics in CloudWatch have a value every five minutes
# EMR puts the cluster's id in its place (docs/aws_facts.md 2.5).
CLUSTER_ID_IN_POLICY = "${emr.clusterId}"
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "GREATER_THAN": operator.gt,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
}
STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "AVERAGE": lambda values: sum(values) / len(values),
    "MAXIMUM": max,
    "MINIMUM": min,
    "SAMPLE_COUNT": len,
    "SUM": sum,
}
Rule = dict[str, Any]


def alarm_of(rule: Rule) -> dict[str, Any]:
    """Return a rule's CloudWatchAlarmDefinition."""
    return dict(rule["Trigger"]["CloudWatchAlarmDefinition"])


def samples_for(rule: Rule) -> int:
    """Return how many samples a rule's alarm looks at."""
    alarm = alarm_of(rule)
    return int(alarm.get("EvaluationPeriods", 1) * alarm["Period"] // SAMPLE_SECONDS)


def is_triggered(rule: Rule, samples: Sequence[Load]) -> bool:
    """Whether the alarm's condition has held in each of its last periods; `samples` are the newest last."""
    alarm, count = alarm_of(rule), samples_for(rule)
    if len(samples) < count:
        return False
    values = [METRICS[alarm["MetricName"]].value(load) for load in samples[-count:]]
    size = alarm["Period"] // SAMPLE_SECONDS
    statistic = STATISTICS[alarm.get("Statistic", "AVERAGE")]
    compare = COMPARISONS[alarm["ComparisonOperator"]]
    return all(
        compare(statistic(values[first : first + size]), alarm["Threshold"])
        for first in range(0, count, size)
    )


def adjusted(count: int, rule: Rule) -> int:
    """Return the number of instances that a rule makes of `count`, its policy's constraints left aside."""
    action = rule["Action"]["SimpleScalingPolicyConfiguration"]
    kind, by = action.get("AdjustmentType", "CHANGE_IN_CAPACITY"), action["ScalingAdjustment"]
    if kind == "EXACT_CAPACITY":
        return int(by)
    if kind == "PERCENT_CHANGE_IN_CAPACITY":
        by = _towards_zero(count * by / 100)
    return int(count + by)


def _towards_zero(change: float) -> int:
    """Round a change: 1.9 to 1, -1.9 to -1; what is less than one instance is one."""
    if 0 < abs(change) < 1:
        return 1 if change > 0 else -1
    return math.trunc(change)


def cool_down(rule: Rule) -> int:
    """Return the seconds after a scaling activity of the rule in which there is no other."""
    return int(rule["Action"]["SimpleScalingPolicyConfiguration"].get("CoolDown", 0))


def wished(policy: Mapping[str, Any], count: int, samples: Sequence[Load]) -> tuple[int, Rule] | None:
    """Return the size that a policy asks for, other than `count`, and the rule; None if it asks for none.

    Of several rules that of the largest size counts.
    """
    least, most = policy["Constraints"]["MinCapacity"], policy["Constraints"]["MaxCapacity"]
    found = []
    for rule in policy["Rules"]:
        if is_triggered(rule, samples):
            size = adjusted(count, rule)
            # A group that is outside of its limits is not taken further, nor back against the rule.
            size = max(count, min(size, most)) if size > count else min(count, max(size, least))
            found.append((size, rule))
    best = max(found, key=lambda pair: pair[0], default=None)
    return None if best is None or best[0] == count else best
