"""The kinds of faults, as a table. Docs and `emrbox fault kinds` are made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Where(StrEnum):
    """What a fault acts on."""

    CALL = "call"  # one request to an AWS API
    START = "start"  # a cluster's start
    CLUSTER = "cluster"  # a cluster that serves, once: as soon as it is in the state of `state`
    NODE = "node"  # a node of a cluster that serves, once; undone when the fault is removed
    END = "end"  # a cluster's end
    EVENT = "event"  # an event on its way to EventBridge's rules
    LOG = "log"  # a log file on its way to S3


BOTH, REAL = "hollow and real", "real"


@dataclass(frozen=True)
class Parameter:
    """One parameter. A value must have the default's type; a default of None takes a number or text."""

    default: Any
    meaning: str


@dataclass(frozen=True)
class Kind:
    """One kind. `count` is how often it acts unless the fault says otherwise; None is without end."""

    name: str
    where: Where
    does: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    clusters: str = BOTH
    source: str = "behaviour of networks and machines in general"
    count: int | None = None


_SECONDS_LATER = Parameter(0.0, "seconds after the cluster has come into that state, by its own clock")
_READY = Parameter("RUNNING,WAITING", "the cluster states in which it acts")
_ROLE = "which nodes: MASTER, CORE, TASK, or several with commas"
_INSTANCES = "how many of them, chosen by the seed; 0: all"


def _on_nodes(role: str, instances: int, **more: Parameter) -> dict[str, Parameter]:
    return {
        "role": Parameter(role, _ROLE),
        "instances": Parameter(instances, _INSTANCES),
        "state": _READY,
        "after_seconds": _SECONDS_LATER,
        **more,
    }


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "throttle",
            Where.CALL,
            "refuses EMR's calls with ThrottlingException by AWS's published token buckets",
            {
                "burst": Parameter(200, "burst of all EMR calls together; 25 on older accounts"),
                "refill": Parameter(50.0, "tokens a second of all together; 5 on older accounts"),
                "scale": Parameter(1.0, "all buckets times this: 0.1 throttles ten times sooner"),
            },
            source="emr-facts 4.1, 4.2: Service Quotas page of the General Reference",
        ),
        Kind(
            "error",
            Where.CALL,
            "refuses calls with an error, before they have an effect",
            {
                "code": Parameter("InternalServerException", "AWS error code"),
                "message": Parameter("An internal error occurred.", "its message"),
                "status": Parameter(500, "HTTP status"),
            },
            source="emr-facts 1.7; any code of any service can be asked for",
        ),
        Kind("reset", Where.CALL, "resets the connection before the call has an effect"),
        Kind("lost-reply", Where.CALL, "does the call, then resets the connection instead of answering"),
        Kind(
            "slow",
            Where.CALL,
            "does the call and holds its answer back",
            {"seconds": Parameter(5.0, "how long, in real time")},
        ),
        Kind(
            "lag",
            Where.CALL,
            "lets EMR's reads (Describe, List, Get) not see writes that are younger",
            {"seconds": Parameter(5.0, "how old a write must be to be seen, by the cluster's clock")},
            source="eventual consistency; that EMR's reads lag at all is a guess",
        ),
        Kind(
            "termination-refused",
            Where.CALL,
            "refuses TerminateJobFlows as for protected clusters, though they are not",
            {
                "code": Parameter("ValidationException", "AWS error code"),
                "message": Parameter(
                    "Could not shut down one or more job flows since they are termination protected.",
                    "its message",
                ),
                "status": Parameter(400, "HTTP status"),
            },
            source="emr-facts 1.6 for the words",
        ),
        Kind(
            "no-capacity",
            Where.START,
            "lets EC2 have no instances for a group",
            {
                "role": Parameter("MASTER,CORE,TASK", _ROLE),
                "instance_type": Parameter("*", "pattern of instance types"),
            },
            source="emr-facts 1.1: INTERNAL_ERROR, INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
        ),
        Kind(
            "bootstrap-fails",
            Where.START,
            "lets a bootstrap action end with an error on one node, or several",
            {
                "role": Parameter("CORE", _ROLE),
                "instances": Parameter(1, _INSTANCES),
                "action": Parameter(1, "which bootstrap action, from 1"),
                "exit_code": Parameter(1, "how it ends"),
            },
            source="emr-facts 1.1: BOOTSTRAP_FAILURE; acts on clusters that have that action",
        ),
        Kind(
            "sshd-late",
            Where.START,
            "lets sshd refuse connections for a time after the instance runs",
            {"role": Parameter("MASTER,CORE,TASK", _ROLE), "seconds": Parameter(30.0, "how long")},
            clusters=REAL,
        ),
        Kind(
            "spot-interruption",
            Where.CLUSTER,
            "announces a spot interruption (IMDS and EventBridge), then ends the instance",
            {
                **_on_nodes("MASTER,CORE,TASK", 1),
                "notice_seconds": Parameter(120.0, "from the notice to the end, by the cluster's clock"),
                "market": Parameter("SPOT", "only groups of this market; * for all"),
            },
            source="EC2 User Guide, Spot Instance interruption notices",
            count=1,
        ),
        Kind(
            "core-lost",
            Where.CLUSTER,
            "ends all core nodes; the cluster stays, with zero core",
            {
                **_on_nodes("CORE", 0),
                "state": Parameter("WAITING", "the cluster states in which it acts"),
                "replaced": Parameter(0, "1: EMR gets others; 0: EC2 has none while the fault is on"),
            },
            source="emr-facts 1.2: clusters seen WAITING without core nodes",
            count=1,
        ),
        Kind(
            "master-lost",
            Where.CLUSTER,
            "ends the master node",
            _on_nodes("MASTER", 0),
            source="emr-facts 1.1: INSTANCE_FAILURE, `The master node was terminated. `",
            count=1,
        ),
        Kind(
            "hang",
            Where.NODE,
            "stops every process of a node: it accepts TCP and answers nothing",
            _on_nodes("CORE", 1),
            clusters=REAL,
            count=1,
        ),
        Kind(
            "disk-full",
            Where.NODE,
            "leaves no space on a node's disk; what it holds stays readable",
            _on_nodes(
                "CORE",
                1,
                paths=Parameter("/", "which folders, with commas; /: all, but files in / itself"),
            ),
            clusters=REAL,
            count=1,
        ),
        Kind(
            "host-key-changed",
            Where.NODE,
            "gives a node another SSH host key; its console still shows the old one",
            _on_nodes("MASTER", 1),
            clusters=REAL,
            count=1,
        ),
        Kind(
            "termination-stuck",
            Where.END,
            "leaves a cluster in TERMINATING",
            {"seconds": Parameter(0.0, "how long, by its clock; 0: until the fault is removed")},
            source="a fear of every driver; EMR says 1-5 minutes (emr-facts 1.6)",
        ),
        Kind("event-lost", Where.EVENT, "lets an event never arrive", source="emr-facts 5: best effort"),
        Kind(
            "event-doubled",
            Where.EVENT,
            "lets an event arrive twice",
            {"seconds": Parameter(1.0, "between the two, in real time")},
            source="EventBridge delivers at least once",
        ),
        Kind(
            "event-late",
            Where.EVENT,
            "holds an event back, so that later ones overtake it",
            {"seconds": Parameter(5.0, "how long, in real time")},
            source="EventBridge keeps no order",
        ),
        Kind(
            "logs-late",
            Where.LOG,
            "lets log files appear in S3 later",
            {"seconds": Parameter(300.0, "how much later, in real time")},
            clusters=REAL,
            source="emr-facts 3.2: logs are pushed about every 5 minutes",
        ),
    )
}


def document() -> list[dict[str, Any]]:
    """Return the table for people and programs."""
    return [
        {
            "kind": kind.name,
            "acts_on": str(kind.where),
            "does": kind.does,
            "clusters": kind.clusters,
            "count": kind.count,
            "parameters": {
                name: {"default": parameter.default, "meaning": parameter.meaning}
                for name, parameter in kind.parameters.items()
            },
            "source": kind.source,
        }
        for kind in KINDS.values()
    ]
