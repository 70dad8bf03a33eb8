"""IAM policy documents: does one allow an action on a resource in a context?

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
AWS accepts no malformed document; if one is here nevertheless, it denies everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from emrbox.aws import patterns
from emrbox.aws.comparisons import Reading
from emrbox.aws.conditions import Condition
from emrbox.aws.patterns import Context, MalformedPolicyError

VERSION_WITH_VARIABLES = "2012-10-17"
VERSIONS = ("2008-10-17", VERSION_WITH_VARIABLES)


class Decision(Enum):
    """The result of evaluating policies. NOTHING is an implicit deny."""

    ALLOW = "allow"
    DENY = "deny"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Statement:
    """One statement of a well-formed document."""

    denies: bool
    actions: Sequence[str]
    all_but_actions: bool
    resources: Sequence[str]
    all_but_resources: bool
    conditions: Sequence[Condition]
    variables: bool

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Return whether it applies to a request. The context's keys are in small letters."""
        reading = Reading(action, context, self.variables, self.denies)
        named = any(
            patterns.matches(patterns.read(text.lower(), {}, variables=False) or (), action.lower())
            for text in self.actions
        )
        found = [reading.pattern(text, wildcards=True) for text in self.resources]
        if self.all_but_resources and not self.denies and None in found:
            return False
        meant = any(pattern is not None and patterns.matches(pattern, resource) for pattern in found)
        return (
            named != self.all_but_actions
            and meant != self.all_but_resources
            and all(condition.holds(reading) for condition in self.conditions)
        )


def decide(documents: Iterable[Any], action: str, resource: str, context: Context) -> Decision:
    """Evaluate identity policies: an explicit deny wins, then an allow, else NOTHING."""
    known = {name.lower(): value for name, value in context.items()}
    decision = Decision.NOTHING
    for document in documents:
        try:
            found = [s for s in statements(document) if s.applies(action, resource, known)]
        except MalformedPolicyError:
            return Decision.DENY
        if any(statement.denies for statement in found):
            return Decision.DENY
        if found:
            decision = Decision.ALLOW
    return decision


def statements(document: Any) -> list[Statement]:
    """Return the statements of a document. Raises MalformedPolicyError where AWS would have refused it."""
    raw = _mapping(document, "a policy")
    version = raw.get("Version", "2008-10-17")
    if version not in VERSIONS:
        raise MalformedPolicyError(f"there is no version {version!r} of policies")
    return [
        _statement(_mapping(one, "a statement"), variables=version == VERSION_WITH_VARIABLES)
        for one in listed(raw.get("Statement", []))
    ]


def _statement(raw: Mapping[str, Any], *, variables: bool) -> Statement:
    if raw.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyError(f"the effect is Allow or Deny, not {raw.get('Effect')!r}")
    actions, all_but_actions = _one_of(raw, "Action", "NotAction")
    resources, all_but_resources = _one_of(raw, "Resource", "NotResource")
    conditions = [
        Condition(operator, key, _texts(wanted, f"the values of {key}", scalars=True))
        for operator, keys in _mapping(raw.get("Condition", {}), "Condition").items()
        for key, wanted in _mapping(keys, operator, some=True).items()
    ]
    for text in [*resources, *(text for condition in conditions for text in condition.wanted)]:
        patterns.check(text, variables=variables)
    return Statement(
        raw["Effect"] == "Deny",
        actions,
        all_but_actions,
        resources,
        all_but_resources,
        conditions,
        variables,
    )


def _one_of(raw: Mapping[str, Any], name: str, negated: str) -> tuple[Sequence[str], bool]:
    if (name in raw) == (negated in raw):
        raise MalformedPolicyError(f"a statement has either {name} or {negated}")
    found = name if name in raw else negated
    return _texts(raw[found], found), found == negated


def _mapping(value: Any, what: str, *, some: bool = False) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise MalformedPolicyError(f"{what} is no JSON object")
    if some and not value:
        raise MalformedPolicyError(f"{what} has no key")
    return value


def _texts(value: Any, what: str, *, scalars: bool = False) -> list[str]:
    """Return the texts of one value or a list of them, one at least. JSON's `true` and `5` count as texts."""
    kinds = (str, bool, int, float) if scalars else (str,)
    values = listed(value)
    if not values or not all(isinstance(one, kinds) for one in values):
        raise MalformedPolicyError(f"{what} is neither a text nor a list of texts")
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


def listed(value: Any) -> list[Any]:
    """Return what a policy may write as one thing or as a list of them."""
    return value if isinstance(value, list) else [value]


def trusts_service(document: Any, service: str, action: str, resource: str, context: Context) -> bool:
    """Return whether a resource's policy lets an AWS service (`events.amazonaws.com`) do something to it.

    A role's trust policy names no resource: it is the role's own.
    """
    if not isinstance(document, Mapping):
        return False
    raw = listed(document.get("Statement", []))
    meant = [{"Resource": "*", **one} for one in raw if isinstance(one, Mapping) and _concerns(one, service)]
    return decide([{**document, "Statement": meant}], action, resource, context) is Decision.ALLOW


def _concerns(statement: Mapping[str, Any], service: str) -> bool:
    if "NotPrincipal" in statement:  # a Deny then matches every principal, an Allow none
        return statement.get("Effect") != "Allow"
    principal = statement.get("Principal", {})
    if not isinstance(principal, Mapping):
        return "*" in listed(principal)
    services = listed(principal.get("Service", []))
    return service in services or "*" in [*services, *listed(principal.get("AWS", []))]
