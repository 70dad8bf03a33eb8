"""IAM policy documents."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws.policies import Decision, decide

CLUSTER = "arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/j-1"


def decision(
    *statements: dict[str, Any], action: str = "elasticmapreduce:ListSteps", **context: str
) -> Decision:
    return decide([{"Statement": list(statements)}], action, CLUSTER, context)


def allow(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "Resource": "*", **parts}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (allow(), Decision.ALLOW),
        (allow(Action="elasticmapreduce:List*"), Decision.ALLOW),
        (allow(Action=["ec2:*", "ElasticMapReduce:liststeps"]), Decision.ALLOW),
        (allow(Action="elasticmapreduce:Describe*"), Decision.NOTHING),
        (allow(Resource=CLUSTER), Decision.ALLOW),
        (allow(Resource=CLUSTER[:-1] + "?"), Decision.ALLOW),
        (allow(Resource=CLUSTER + "2"), Decision.NOTHING),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, Decision.ALLOW),
        ({"Effect": "Allow", "NotAction": "elasticmapreduce:*", "Resource": "*"}, Decision.NOTHING),
        (allow(Effect="Deny"), Decision.DENY),
    ],
)
def test_action_and_resource_decide(statement: dict[str, Any], expected: Decision) -> None:
    assert decision(statement) is expected


def test_an_explicit_deny_wins() -> None:
    assert decision(allow(), allow(Effect="Deny", Action="elasticmapreduce:ListSteps")) is Decision.DENY


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"aws:ResourceTag/owner": "me"}}, True),
        ({"StringEquals": {"aws:ResourceTag/owner": ["you", "me"]}}, True),
        ({"StringEquals": {"aws:ResourceTag/owner": "you"}}, False),
        ({"StringEquals": {"aws:ResourceTag/team": "x"}}, False),
        ({"StringEqualsIfExists": {"aws:ResourceTag/team": "x"}}, True),
        ({"StringNotEquals": {"aws:ResourceTag/owner": "you"}}, True),
        ({"StringLike": {"aws:ResourceTag/owner": "m*"}}, True),
        ({"Null": {"aws:ResourceTag/team": "true"}}, True),
        ({"NumericLessThan": {"aws:ResourceTag/owner": "5"}}, False),
    ],
)
def test_conditions_must_hold(condition: dict[str, Any], holds: bool) -> None:  # noqa: FBT001  # a table's column
    found = decision(allow(Condition=condition), **{"aws:ResourceTag/owner": "me"})
    assert (found is Decision.ALLOW) is holds
