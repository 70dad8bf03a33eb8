"""IAM policy documents: does one allow an action on a resource in a context?

moto checks the other services' calls; EMR's own checks need conditions and resources that moto does not know.
Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import Any

Context = Mapping[str, str]


class Decision(Enum):
    """What a set of policies says. NOTHING is a refusal too, but an implicit one."""

    ALLOW = "allow"
    DENY = "deny"
    NOTHING = "nothing"


def decide(documents: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> Decision:
    """Evaluate identity policies: an explicit deny wins, then an allow, else nothing is said."""
    decision = Decision.NOTHING
    for document in documents:
        for statement in listed(document.get("Statement", [])):
            if not _applies(statement, action, resource, context):
                continue
            if statement.get("Effect") == "Deny":
                return Decision.DENY
            decision = Decision.ALLOW
    return decision


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    if "NotAction" in statement:
        concerns = not _any_match(statement["NotAction"], action, ignore_case=True)
    else:
        concerns = _any_match(statement.get("Action", []), action, ignore_case=True)
    if "NotResource" in statement:
        concerns = concerns and not _any_match(statement["NotResource"], resource)
    else:
        concerns = concerns and _any_match(statement.get("Resource", []), resource)
    return concerns and all(
        _holds(operator, key, listed(expected), context)
        for operator, wanted in statement.get("Condition", {}).items()
        for key, expected in wanted.items()
    )


@cache
def _pattern(text: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, expected: value == expected,
    "StringEqualsIgnoreCase": lambda value, expected: value.lower() == expected.lower(),
    "StringLike": lambda value, expected: _pattern(expected).fullmatch(value) is not None,
    "ArnEquals": lambda value, expected: _pattern(expected).fullmatch(value) is not None,
    "ArnLike": lambda value, expected: _pattern(expected).fullmatch(value) is not None,
    "Bool": lambda value, expected: value.lower() == expected.lower(),
}
NEGATED = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike", "ArnNotLike": "ArnLike"}


def _holds(operator: str, key: str, expected: list[Any], context: Context) -> bool:
    values = {name.lower(): value for name, value in context.items()}
    value = values.get(key.lower())
    base = operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:")
    if base == "Null":
        return str(value is None).lower() in {str(e).lower() for e in expected}
    if base.endswith("IfExists"):
        if value is None:
            return True
        base = base.removesuffix("IfExists")
    if base in NEGATED:
        return value is None or not any(TESTS[NEGATED[base]](value, str(e)) for e in expected)
    # An operator that is not known here cannot be shown to hold.
    return value is not None and base in TESTS and any(TESTS[base](value, str(e)) for e in expected)


def _any_match(patterns: Any, value: str, *, ignore_case: bool = False) -> bool:
    return any(_pattern(str(p), ignore_case=ignore_case).fullmatch(value) for p in listed(patterns))


def listed(value: Any) -> list[Any]:
    """Return what a policy may write as one thing or as a list of them."""
    return value if isinstance(value, list) else [value]


def trusts_service(
    document: Mapping[str, Any], service: str, action: str, resource: str, context: Context
) -> bool:
    """Return whether a resource's policy lets an AWS service (`events.amazonaws.com`) do something to it.

    A role's trust policy names no resource: it is the role's own.
    """

    def concerns(statement: Mapping[str, Any]) -> bool:
        principal = statement.get("Principal", {})
        named = listed(principal.get("Service", [])) if isinstance(principal, dict) else listed(principal)
        return (
            service in named
            or "*" in named
            or (isinstance(principal, dict) and "*" in listed(principal.get("AWS", [])))
        )

    statements = [{"Resource": "*", **s} for s in listed(document.get("Statement", [])) if concerns(s)]
    return decide([{"Statement": statements}], action, resource, context) is Decision.ALLOW
