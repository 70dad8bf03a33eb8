"""What is known about a run when its verdict is asked for: frozen values, and the questions that rows ask.

Codes and states are those of the API (docs/aws_facts.md 1.1-1.3). Messages are asked for last: AWS may
change their texts.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from kiln.aws.effects import Group, Value
from kiln.emr import states

if TYPE_CHECKING:
    from collections.abc import Callable

# The state of a cluster that AWS does not know, or does not know any more (docs/aws_facts.md 1.8).
GONE = "NOT_FOUND"
MASTER, CORE = "MASTER", "CORE"
_SPOT = "SPOT"
_SPOT_REASON = "Server.SpotInstanceTermination"
_STEP_STATES = states.STEP_ENDED | {"PENDING", "RUNNING", "CANCEL_PENDING"}


class Awaited(Enum):
    """What the asking command waits for; nothing when it looks back at a run."""

    NOTHING = ""
    LAUNCH = "launch of the cluster"
    PLAYBOOK = "playbook"
    STEP = "step"


class StepFact(Value, frozen=True, kw_only=True):
    """A step: its state, and what EMR says about its failure. An empty state: nobody knows its end."""

    name: str
    state: str
    text: str = ""
    optional: bool = False


class LostNode(Value, frozen=True, kw_only=True):
    """A node that the cluster has lost while it lived. `kind` is MASTER, CORE or TASK; `reason` is EC2's."""

    kind: str
    market: str
    reason: str = ""

    @property
    def is_spot(self) -> bool:
        """Return whether EC2 took a spot instance back."""
        return self.market == _SPOT or self.reason == _SPOT_REASON


class Evidence(Value, frozen=True, kw_only=True):
    """What AWS, the ledger and the asking command know about a run.

    `refusal` is the error code with which AWS refused the launch, `failed_phases` names the phases of the
    ledger that failed. `lost` are nodes lost since the step or the playbook began.
    """

    steps: tuple[StepFact, ...] = ()
    cluster_state: str = ""
    reason_code: str = ""
    reason_message: str = ""
    detail_codes: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    lost: tuple[LostNode, ...] = ()
    awaited: Awaited = Awaited.NOTHING
    refusal: str = ""
    failed_phases: tuple[str, ...] = ()

    @property
    def required(self) -> set[str]:
        """Return the states of the steps that are not optional."""
        return {step.state for step in self.steps if not step.optional}

    @property
    def is_over(self) -> bool:
        """Return whether the cluster is ending or has ended."""
        return self.cluster_state in states.CLUSTER_ENDING | states.CLUSTER_ENDED

    @property
    def is_up(self) -> bool:
        """Return whether the cluster can run steps."""
        return self.cluster_state in states.CLUSTER_UP

    @property
    def is_complete(self) -> bool:
        """Return whether every step is COMPLETED; how an optional one ended does not matter."""
        over = states.STEP_ENDED | {""}
        is_over = all(step.state in over for step in self.steps)
        return bool(self.steps) and is_over and self.required <= {"COMPLETED"}

    @property
    def is_unfinished(self) -> bool:
        """Return whether somebody waits for something, or a step has not ended well."""
        return self.awaited is not Awaited.NOTHING or not self.required <= {"COMPLETED"}

    @property
    def has_known_states(self) -> bool:
        """Return whether every step is in a state that EMR documents."""
        return all(step.state in _STEP_STATES for step in self.steps)

    @property
    def is_active(self) -> bool:
        """Return whether all states are known, and none of a step that counts is a failure."""
        return self.has_known_states and not self.required & {"FAILED", "CANCELLED", "INTERRUPTED"}

    @property
    def is_harmed(self) -> bool:
        """Return whether something failed that lost nodes may have caused."""
        by_cluster = self.is_over and self.reason_code == "INSTANCE_FAILURE"
        failed = bool(self.required & {"FAILED", "INTERRUPTED"}) or self.awaited is Awaited.PLAYBOOK
        return by_cluster or failed

    def has_none_of(self, kind: str) -> bool:
        """Return whether a cluster that is up should have nodes of a kind and has none."""
        groups = [group for group in self.groups if group.kind == kind]
        is_wanted = any(group.requested > 0 for group in groups)
        return self.is_up and is_wanted and all(group.running == 0 for group in groups)

    def has_lost(self, fits: Callable[[LostNode], bool]) -> bool:
        """Return whether such a node was lost."""
        return any(fits(node) for node in self.lost)

    def has_detail(self, *marks: str) -> bool:
        """Return whether the cluster ended with an ErrorDetails code that holds one of these."""
        return self.is_over and any(mark in code for code in self.detail_codes for mark in marks)

    def has_reason(self, *codes: str) -> bool:
        """Return whether the cluster ended with one of these StateChangeReason codes."""
        return self.is_over and self.reason_code in codes

    def says(self, *texts: str) -> bool:
        """Return whether the message about the cluster's end holds one of these, in any case."""
        message = self.reason_message.lower()
        return self.is_over and any(text in message for text in texts)

    def step_says(self, *texts: str) -> bool:
        """Return whether what EMR says about a failed step holds one of these."""
        failed = [step.text for step in self.steps if step.state == "FAILED" and not step.optional]
        return any(text in said for said in failed for text in texts)
