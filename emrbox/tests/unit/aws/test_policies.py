"""IAM policy documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st
from moto.iam.aws_managed_policies import aws_managed_policies_data

from emrbox.aws import condition_keys
from emrbox.aws.policies import Decision, decide, listed, statements, trusts_service

ARN = "arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/"
CLUSTER = f"{ARN}j-1"
ALLOWED, REFUSED = Decision.ALLOW, Decision.NOTHING
VERSION = "2012-10-17"


def decision(
    *statements: Any,
    action: str = "elasticmapreduce:ListSteps",
    resource: str = CLUSTER,
    version: str = VERSION,
    **context: Any,
) -> Decision:
    return decide([{"Version": version, "Statement": list(statements)}], action, resource, context)


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
        (allow(Resource=".*"), Decision.NOTHING),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, Decision.ALLOW),
        ({"Effect": "Allow", "NotAction": "elasticmapreduce:*", "Resource": "*"}, Decision.NOTHING),
        ({"Effect": "Allow", "Action": "*", "NotResource": CLUSTER}, Decision.NOTHING),
        (allow(Effect="Deny"), Decision.DENY),
    ],
)
def test_action_and_resource_decide(statement: dict[str, Any], expected: Decision) -> None:
    assert decision(statement) is expected


def test_an_explicit_deny_wins() -> None:
    assert decision(allow(), allow(Effect="Deny", Action="elasticmapreduce:ListSteps")) is Decision.DENY


TAGS: dict[str, Any] = {"aws:ResourceTag/owner": "me", "aws:TagKeys": ("a", "b"), "aws:ResourceTag/size": "5"}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"aws:ResourceTag/owner": "me"}}, True),
        ({"StringEquals": {"AWS:resourcetag/OWNER": ["you", "me"]}}, True),
        ({"StringEquals": {"aws:ResourceTag/owner": "you"}}, False),
        ({"StringEquals": {"aws:ResourceTag/owner": "m*"}}, False),
        ({"StringEquals": {"aws:ResourceTag/team": "x"}}, False),
        ({"StringEqualsIfExists": {"aws:ResourceTag/team": "x"}}, True),
        ({"StringEqualsIgnoreCase": {"aws:ResourceTag/owner": "ME"}}, True),
        ({"StringNotEquals": {"aws:ResourceTag/owner": "you"}}, True),
        ({"StringNotEquals": {"aws:ResourceTag/owner": ["you", "me"]}}, False),
        ({"StringNotEquals": {"aws:ResourceTag/team": "x"}}, True),
        ({"StringLike": {"aws:ResourceTag/owner": "m*"}}, True),
        ({"StringLike": {"aws:ResourceTag/owner": "m."}}, False),
        ({"Null": {"aws:ResourceTag/team": "true"}}, True),
        ({"Null": {"aws:ResourceTag/owner": True}}, False),
        ({"NumericLessThan": {"aws:ResourceTag/owner": "5"}}, False),
        ({"NumericLessThanEquals": {"aws:ResourceTag/size": 5}}, True),
        ({"NumericNotEquals": {"aws:ResourceTag/owner": "5"}}, False),
        ({"Bool": {"aws:ResourceTag/owner": "true"}}, False),
        ({"DateLessThan": {"aws:ResourceTag/size": "2026-01-01T00:00:00Z"}}, True),
        # Sets: every value of the request, or one at least, matches one value of the policy.
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, False),
        ({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["a"]}}, False),
        ({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["c"]}}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["c"]}}, False),
        ({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["a"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:ResourceTag/team": "x"}}, True),
        ({"ForAnyValue:StringEquals": {"aws:ResourceTag/team": "x"}}, False),
        ({"ForAnyValue:StringEqualsIfExists": {"aws:ResourceTag/team": "x"}}, True),
        # No set operator and several values: all must match.
        ({"StringEquals": {"aws:TagKeys": "a"}}, False),
        ({"StringEquals": {"aws:TagKeys": ["a", "b"]}}, True),
        # A key that AWS has and emrbox does not evaluate, one that nobody has, another service's.
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True),
        ({"StringEquals": {"aws:ResorceTag/owner": "me"}}, False),
        ({"StringEquals": {"s3:prefix": "me"}}, False),
    ],
)
def test_conditions_must_hold(condition: dict[str, Any], holds: bool) -> None:  # noqa: FBT001  # a table's column
    found = decision(allow(Condition=condition), **TAGS)
    assert (found is Decision.ALLOW) is holds


@pytest.mark.parametrize(
    ("condition", "denied"),
    [
        ({"StringEquals": {"aws:ResourceTag/owner": "me"}}, True),
        ({"StringEquals": {"aws:ResourceTag/owner": "you"}}, False),
        ({"StringEquals": {"aws:TagKeys": "a"}}, True),
        ({"NumericEquals": {"aws:ResourceTag/owner": "5"}}, True),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, False),
    ],
)
def test_what_cannot_be_compared_denies(condition: dict[str, Any], denied: bool) -> None:  # noqa: FBT001  # as above
    found = decision(allow(), allow(Effect="Deny", Condition=condition), **TAGS)
    assert (found is Decision.DENY) is denied


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        (ARN + "${*}", ARN + "*", ALLOWED),
        (ARN + "${*}", ARN + "j-1", REFUSED),
        (ARN + "${?}", ARN + "?", ALLOWED),
        (ARN + "${?}", ARN + "x", REFUSED),
        (ARN + "${$}{*}", ARN + "${j-1}", ALLOWED),
        (ARN + "${aws:username}", ARN + "ann", ALLOWED),
        (ARN + "${AWS:UserName}*", ARN + "ann-1", ALLOWED),
        (ARN + "${aws:userid}", ARN, REFUSED),
        (ARN + "${aws:userid, 'x'}", ARN + "x", ALLOWED),
        (ARN + "${aws:TagKeys}", ARN + "a", REFUSED),
    ],
)
def test_variables_have_the_values_of_the_request(pattern: str, resource: str, expected: Decision) -> None:
    context: dict[str, Any] = {"aws:username": "ann", "aws:TagKeys": ("a", "b")}
    assert decision(allow(Resource=pattern), resource=resource, **context) is expected


def test_the_value_of_a_variable_has_no_wildcards() -> None:
    statement = allow(Resource=f"{ARN}${{aws:username}}")
    assert decision(statement, resource=f"{ARN}j-1", **{"aws:username": "*"}) is REFUSED


def test_a_variable_without_a_value_allows_nothing_by_exclusion() -> None:
    statement = {"Effect": "Allow", "Action": "*", "NotResource": "${aws:userid}"}
    assert decision(statement) is REFUSED


def test_an_older_version_has_no_variables() -> None:
    statement = allow(Resource=f"{ARN}${{*}}")
    assert decision(statement, resource=f"{ARN}*", version="2008-10-17") is REFUSED
    assert decision(statement, resource=f"{ARN}${{j-1}}", version="2008-10-17") is ALLOWED


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ("arn:aws:sqs:*:123456789012:q", True),
        ("arn:aws:*:123456789012:q", False),
        ("arn:aws:sqs:us-east-1:123456789012:*", True),
        ("arn:aws:*", False),
    ],
)
def test_a_wildcard_stays_in_its_part_of_an_arn(wanted: str, *, holds: bool) -> None:
    condition = {"ArnLike": {"aws:SourceArn": wanted}}
    found = decision(allow(Condition=condition), **{"aws:SourceArn": "arn:aws:sqs:us-east-1:123456789012:q"})
    assert (found is Decision.ALLOW) is holds


MALFORMED: list[Any] = [
    None,
    [],
    "text",
    {"Version": "2013-01-01", "Statement": allow()},
    {"Version": [], "Statement": allow()},
    {"Statement": "text"},
    {"Statement": [allow(), None]},
    {"Statement": allow(Effect="allow")},
    {"Statement": {"Effect": "Allow", "Resource": "*"}},
    {"Statement": {"Effect": "Allow", "Action": "*"}},
    {"Statement": allow(NotAction="*")},
    {"Statement": allow(Action=[])},
    {"Statement": allow(Resource=[])},
    {"Statement": allow(Action=5)},
    {"Statement": allow(Condition=[])},
    {"Statement": allow(Condition={"StringEquals": {}})},
    {"Statement": allow(Condition={"StringEquals": {"aws:username": []}})},
    {"Statement": allow(Condition={"StringEquals": {"aws:username": [None]}})},
    {"Statement": allow(Condition={"StringNotEquals": {"aws:username": []}})},
    {"Statement": allow(Condition={"StringResembles": {"aws:username": "x"}})},
    {"Statement": allow(Condition={"ForSomeValues:StringEquals": {"aws:username": "x"}})},
    {"Statement": allow(Condition={"ForAllValues:Null": {"aws:username": "true"}})},
    {"Statement": allow(Condition={"Null": {"aws:username": "perhaps"}})},
    {"Version": VERSION, "Statement": allow(Resource="${aws:username")},
]


@pytest.mark.parametrize("document", MALFORMED, ids=repr)
def test_a_malformed_document_refuses_everything(document: Any) -> None:
    good = {"Statement": allow()}
    for several in ([document], [document, good], [good, document]):
        assert decide(several, "s3:GetObject", "*", {"aws:username": "x"}) is Decision.DENY


def test_every_managed_policy_of_aws_is_well_formed() -> None:
    managed = json.loads(aws_managed_policies_data)
    assert all(statements(policy["Document"]) for policy in managed.values())


def test_a_deny_for_all_but_some_principals_counts() -> None:
    principal = {"Principal": {"Service": "events.amazonaws.com"}}
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "*"}
    for extra, trusted in (([], True), ([deny], False)):
        document = {"Statement": [allow(**principal), *extra]}
        assert trusts_service(document, "events.amazonaws.com", "sqs:SendMessage", "*", {}) is trusted


HARM = st.one_of(
    texts("managed_by", "kiln", "local"),
    st.sampled_from(
        ["${*}", "${", "$", "${aws:username}", "${$}", "*", "?", ".*", "(", "[", "\\", "^$", "a|b"]
    ),
)
VALUES = st.one_of(HARM, st.booleans(), st.integers(), st.floats(), st.none(), st.lists(HARM, max_size=3))


@many
@given(wanted=HARM, value=HARM)
def test_a_literal_condition_holds_for_that_value_only(wanted: str, value: str) -> None:
    found = decision(
        allow(Condition={"StringEquals": {"aws:RequestTag/x": wanted}}),
        version="2008-10-17",
        **{"aws:RequestTag/x": value},
    )
    assert (found is ALLOWED) is (wanted == value)


@many
@given(tags=st.lists(st.tuples(HARM, HARM), max_size=4))
def test_no_tags_pass_for_those_that_a_condition_asks_for(tags: list[tuple[str, str]]) -> None:
    condition = {"StringEquals": {"aws:RequestTag/managed_by": "kiln", "aws:RequestTag/environment": "local"}}
    context: dict[str, Any] = condition_keys.of_request_tags("elasticmapreduce", tags)
    have = {(key.lower(), value) for key, value in tags if key.lower() in {"managed_by", "environment"}}
    expected = have == {("managed_by", "kiln"), ("environment", "local")}
    assert (decision(allow(Condition=condition), **context) is ALLOWED) is expected


@many
@given(
    operator=st.one_of(
        HARM,
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]),
            st.sampled_from(
                ["StringLike", "StringNotEquals", "NumericEquals", "DateLessThan", "IpAddress", "Null"]
            ),
            st.sampled_from(["", "IfExists"]),
        ),
    ),
    key=st.one_of(HARM, st.just("aws:RequestTag/x"), st.just("aws:TagKeys")),
    wanted=VALUES,
    value=st.one_of(HARM, st.lists(HARM, max_size=3).map(tuple)),
)
def test_no_condition_raises_or_outweighs_a_deny(operator: str, key: str, wanted: Any, value: Any) -> None:
    context = {"aws:RequestTag/x": value, "aws:TagKeys": value}
    conditional = allow(Condition={operator: {key: wanted}})
    assert decision(conditional, **context) in Decision
    assert decision(conditional, allow(Effect="Deny"), **context) is Decision.DENY
    # What allows and denies under the same condition never allows, unless emrbox does not evaluate its key.
    both = decision(conditional, {**conditional, "Effect": "Deny"}, **context)
    assert both is not ALLOWED or condition_keys.is_not_evaluated(key, "elasticmapreduce:ListSteps")


@many
@given(
    name=st.sampled_from(["Effect", "Action", "Resource", "Condition", "Version", ""]),
    value=st.one_of(VALUES, st.dictionaries(HARM, VALUES, max_size=2), documents()),
)
def test_no_document_raises_or_allows_by_its_shape(name: str, value: Any) -> None:
    whole = {"Version": VERSION, "Statement": allow()}
    harmless = (name, value) in [("Condition", {}), ("Action", "*"), ("Resource", "*")]
    if name == "Version":
        whole["Version"] = value
    elif name:
        whole["Statement"] = allow(**{name: value})
    found = decide([whole if name else value], "s3:GetObject", "arn:aws:s3:::state/key", {})
    assert (found is ALLOWED) is harmless or (name in {"Action", "Resource"} and "*" in listed(value))
    assert trusts_service(value, "events.amazonaws.com", "sqs:SendMessage", "*", {}) is False
