"""What a kind of fault is: its row in the tables of kinds, and the function that does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from emrbox.aws.call_hook import CallEffect, CallFacts
    from emrbox.emr.life.model import Cluster, Instance
    from emrbox.emr.machines.node_access import MachineNode
    from emrbox.faults.book import Fault


class Where(StrEnum):
    """What a fault acts on."""

    CALL = "call"  # one request to an AWS API
    START = "start"  # a cluster's start
    CLUSTER = "cluster"  # a running cluster, once: as soon as it is in the state of `state`
    NODE = "node"  # a node of a running cluster, once; undone when the fault is removed
    END = "end"  # a cluster's end
    EVENT = "event"  # an event on its way to EventBridge's rules
    LOG = "log"  # a log file on its way to S3


EMR = "elasticmapreduce"  # as a fault's scope names the service
BOTH, REAL, HOLLOW = "hollow and real", "real", "hollow"


@dataclass(frozen=True)
class Parameter:
    """One parameter. A value must have the default's type; a default of None takes a number or text."""

    default: Any
    meaning: str


def _no_state(**_: Any) -> None:
    """Return nothing: most kinds remember nothing between the times that they act."""


@dataclass(frozen=True)
class Kind:
    """One kind. `count` is how often it acts unless the fault says otherwise; None is without end.

    `new_state` takes the parameters and returns what a fault of this kind remembers while it is on.
    """

    name: str
    where: Where
    does: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    clusters: str = BOTH
    source: str = "behaviour of networks and machines in general"
    count: int | None = None
    new_state: Callable[..., Any] = _no_state


@dataclass(frozen=True, kw_only=True)
class CallKind(Kind):
    """Acts on calls to AWS APIs: `effect` returns what it does to one, None if nothing.

    Only calls of `service` and `operation` (patterns) are in reach, whatever the fault's own scope says.
    """

    effect: Callable[[Fault, CallFacts], CallEffect | None]
    service: str = "*"
    operation: str = "*"


@dataclass(frozen=True, kw_only=True)
class EventKind(Kind):
    """Acts on events: `delays_of` returns the seconds after which each copy leaves; none drops the event."""

    delays_of: Callable[[Fault], Sequence[float]]


class Machines(Protocol):
    """What EC2 does to the instances of a cluster by itself."""

    def lose(self, cluster: Cluster, instances: Iterable[Instance], code: str) -> None:
        """End instances as EC2 does by itself; `code` is the state reason's."""

    def make_unhealthy(self, cluster: Cluster, instances: Iterable[Instance]) -> None:
        """Let YARN call these instances unhealthy, and no others."""

    def announce(self, cluster: Cluster, instances: Iterable[Instance], when: datetime) -> None:
        """Show the interruption in the instances' metadata."""


@dataclass(frozen=True)
class Target:
    """A running cluster on which a fault acts now, and the instances that it has chosen."""

    fault: Fault
    cluster: Cluster
    instances: Sequence[Instance]
    machines: Machines
    publish: Callable[[dict[str, Any]], None]  # an event
    later: Callable[[float, Callable[[], None]], None]  # after seconds of the cluster's clock


@dataclass(frozen=True, kw_only=True)
class ClusterKind(Kind):
    """Acts once on a running cluster."""

    act: Callable[[Target], None]


Undo = Callable[["MachineNode"], None]


@dataclass(frozen=True, kw_only=True)
class NodeKind(Kind):
    """Acts once on real nodes: `act` returns what undoes it, None if it stays. OSError when it cannot act."""

    act: Callable[[Fault, MachineNode], Undo | None]


ROLE = "which nodes: MASTER, CORE, TASK, or several with commas"
INSTANCES = "how many of them, chosen by the seed; 0: all"


def ending_parameters(message: str) -> dict[str, Parameter]:
    """Return the parameters of the kinds that end a cluster as EMR does by itself."""
    return {
        "reason": Parameter("INTERNAL_ERROR", "code of StateChangeReason; empty: none"),
        "message": Parameter(message, "its message"),
        "detail": Parameter("", "code of ErrorDetails; empty: none"),
    }


def on_nodes(role: str, instances: int, **more: Parameter) -> dict[str, Parameter]:
    """Return the parameters of the kinds that act on a running cluster's nodes."""
    return {
        "role": Parameter(role, ROLE),
        "instances": Parameter(instances, INSTANCES),
        **in_states(),
        **more,
    }


def in_states() -> dict[str, Parameter]:
    """Return the parameters of the kinds that act on a running cluster."""
    return {
        "state": Parameter("RUNNING,WAITING", "the cluster states in which it acts"),
        "after_seconds": Parameter(
            0.0, "seconds after the cluster has come into that state, by its own clock"
        ),
    }
