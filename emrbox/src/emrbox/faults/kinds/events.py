"""The kinds of faults of events: dropped, doubled, late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.faults.kinds.kind import EventKind, Parameter, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.faults.book import Fault


def drop(_fault: Fault) -> Sequence[float]:
    """Let no copy leave."""
    return ()


def double(fault: Fault) -> Sequence[float]:
    """Let one copy leave at once and one later."""
    return (0.0, float(fault.parameters["seconds"]))


def delay(fault: Fault) -> Sequence[float]:
    """Let the only copy leave later."""
    return (float(fault.parameters["seconds"]),)


EVENT_KINDS = (
    EventKind(
        "event-lost",
        Where.EVENT,
        "drops the event",
        source="docs/aws_facts.md 5: best effort",
        delays_of=drop,
    ),
    EventKind(
        "event-doubled",
        Where.EVENT,
        "delivers an event twice",
        {"seconds": Parameter(1.0, "between the two, in real time")},
        source="EventBridge delivers at least once",
        delays_of=double,
    ),
    EventKind(
        "event-late",
        Where.EVENT,
        "delays an event, so that later ones overtake it",
        {"seconds": Parameter(5.0, "how long, in real time")},
        source="EventBridge keeps no order",
        delays_of=delay,
    ),
)
