"""Conditions of IAM statements: set operators, keys with no value or several.

Rules: IAM User Guide, "Condition operators" and "Single-valued vs. multivalued context keys", at
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html

AWS does not document what an operator without a set operator does to a key with several values, nor one that
cannot read a value (`NumericLessThan` and a word). Here an Allow then needs every value to match, and a Deny
one: both refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emrbox.aws.comparisons import COMPARISONS, NEGATED, Reading
from emrbox.aws.condition_keys import is_not_evaluated
from emrbox.aws.patterns import MalformedPolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

SET_OPERATORS = ("ForAllValues", "ForAnyValue")


@dataclass(frozen=True)
class Condition:
    """One operator on one key. `wanted` are texts, one at least."""

    operator: str
    key: str
    wanted: Sequence[str]

    def __post_init__(self) -> None:
        """Raise MalformedPolicyError for an operator that there is not."""
        base = self._base.removesuffix("IfExists")
        if self._base == "Null" and not self._set_operator:
            if not {text.lower() for text in self.wanted} <= {"true", "false"}:
                raise MalformedPolicyError(f"Null takes true or false, not {self.wanted!r}")
        elif base not in COMPARISONS and base not in NEGATED:
            raise MalformedPolicyError(f"there is no operator {self.operator}")
        if self._set_operator and self._set_operator not in SET_OPERATORS:
            raise MalformedPolicyError(f"there is no set operator {self._set_operator}")

    @property
    def _set_operator(self) -> str:
        return self.operator.rpartition(":")[0]

    @property
    def _base(self) -> str:
        return self.operator.rpartition(":")[2]

    def holds(self, reading: Reading) -> bool:
        """Return whether it holds; a key that emrbox does not evaluate holds in an Allow, not in a Deny."""
        if is_not_evaluated(self.key, reading.action):
            return not reading.denies
        value = reading.context.get(self.key.lower(), ())
        values = (value,) if isinstance(value, str) else value
        if self._base == "Null":
            return str(not values).lower() in {text.lower() for text in self.wanted}
        if not values and self._base.endswith("IfExists"):
            return True
        if not values and not self._set_operator:
            return self._base in NEGATED
        some = self._set_operator == "ForAnyValue" or (not self._set_operator and reading.denies)
        return (any if some else all)(self._matches(one, reading) for one in values)

    def _matches(self, value: str, reading: Reading) -> bool:
        name = self._base.removesuffix("IfExists")
        compare = COMPARISONS[NEGATED.get(name, name)]
        try:
            found = any(compare(value, wanted, reading) for wanted in self.wanted)
        except (ValueError, ArithmeticError):
            return reading.denies
        return found != (name in NEGATED)
