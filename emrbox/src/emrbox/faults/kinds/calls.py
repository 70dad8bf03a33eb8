"""The kinds of faults of single calls: decided before a call, acted on before or after its effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.aws.call_hook import CallEffect, Refusal
from emrbox.faults.buckets import Buckets
from emrbox.faults.kinds.kind import EMR, CallKind, Kind, Parameter, Where

if TYPE_CHECKING:
    from emrbox.aws.call_hook import CallFacts
    from emrbox.faults.book import Fault

THROTTLED = Refusal("ThrottlingException", "Rate exceeded", 400)


def throttle(fault: Fault, call: CallFacts) -> CallEffect | None:
    """Refuse the call when its token bucket is empty."""
    return None if fault.state.take(call.operation) else CallEffect(THROTTLED)


def refuse(fault: Fault, _call: CallFacts) -> CallEffect:
    """Refuse the call with the error of the fault's parameters."""
    return CallEffect(Refusal(**fault.parameters))


def reset(_fault: Fault, _call: CallFacts) -> CallEffect:
    """Reset the connection before the call is done."""
    return CallEffect(reset=True)


def lose_reply(_fault: Fault, _call: CallFacts) -> CallEffect:
    """Reset the connection after the call is done."""
    return CallEffect(reply_lost=True)


def slow_down(fault: Fault, _call: CallFacts) -> CallEffect:
    """Hold the answer back."""
    return CallEffect(slow_seconds=fault.parameters["seconds"])


def _refusal(code: str, message: str, status: int) -> dict[str, Parameter]:
    return {
        "code": Parameter(code, "AWS error code"),
        "message": Parameter(message, "its message"),
        "status": Parameter(status, "HTTP status"),
    }


CALL_KINDS: tuple[Kind, ...] = (
    CallKind(
        "throttle",
        Where.CALL,
        "refuses EMR's calls with ThrottlingException by AWS's published token buckets",
        {
            "burst": Parameter(200, "burst of all EMR calls together; 25 on older accounts"),
            "refill": Parameter(50.0, "tokens a second of all together; 5 on older accounts"),
            "scale": Parameter(1.0, "all buckets times this: 0.1 throttles ten times sooner"),
        },
        source="docs/aws_facts.md 4.1, 4.2: Service Quotas page of the General Reference",
        new_state=Buckets,
        effect=throttle,
        service=EMR,
    ),
    CallKind(
        "error",
        Where.CALL,
        "refuses calls with an error, before they have an effect",
        _refusal("InternalServerException", "An internal error occurred.", 500),
        source="docs/aws_facts.md 1.7; any code of any service can be asked for",
        effect=refuse,
    ),
    CallKind("reset", Where.CALL, "resets the connection before the call has an effect", effect=reset),
    CallKind(
        "lost-reply",
        Where.CALL,
        "does the call, then resets the connection instead of answering",
        effect=lose_reply,
    ),
    CallKind(
        "slow",
        Where.CALL,
        "does the call and holds its answer back",
        {"seconds": Parameter(5.0, "how long, in real time")},
        effect=slow_down,
    ),
    Kind(  # lag.py acts on it: it needs the operation's store
        "lag",
        Where.CALL,
        "hides younger writes from EMR's reads (Describe, List, Get)",
        {"seconds": Parameter(5.0, "how old a write must be to be seen, by the cluster's clock")},
        source="eventual consistency; that EMR's reads lag at all is a guess",
    ),
    CallKind(
        "termination-refused",
        Where.CALL,
        "refuses TerminateJobFlows as for protected clusters, though they are not",
        _refusal(
            "ValidationException",
            "Could not shut down one or more job flows since they are termination protected.",
            400,
        ),
        source="docs/aws_facts.md 1.6 for the words",
        effect=refuse,
        service=EMR,
        operation="TerminateJobFlows",
    ),
)
