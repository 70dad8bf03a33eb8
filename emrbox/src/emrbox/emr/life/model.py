"""What EMR remembers: clusters with their groups, instances and steps. Plain data.

A cluster and all in it is read and changed under its lock; `Status.move` knows the tables.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from emrbox.config import ACCOUNT_ID
from emrbox.emr.life import states
from emrbox.emr.life.notices import Notice
from emrbox.emr.life.security import PublicAccess
from emrbox.emr.life.states import (
    ActionOnFailure,
    ClusterState,
    GroupState,
    InstanceState,
    PolicyState,
    ReasonCode,
    SessionState,
    StepState,
)

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.life.notices import Kind

LOG = logging.getLogger(__name__)
S = TypeVar("S", ClusterState, GroupState, InstanceState, StepState, PolicyState, SessionState)

ON_DEMAND, SPOT = MARKETS = ("ON_DEMAND", "SPOT")
MAXIMUM_INSTANCES_IN_GROUP = 2000  # docs/aws_facts.md 2.3
HA_MASTERS = 3  # of a cluster with several primary nodes
TRANSITIONS: dict[type, dict[Any, Any]] = {
    ClusterState: states.CLUSTER_TRANSITIONS,
    GroupState: states.GROUP_TRANSITIONS,
    InstanceState: states.INSTANCE_TRANSITIONS,
    StepState: states.STEP_TRANSITIONS,
    PolicyState: states.POLICY_TRANSITIONS,
    SessionState: states.SESSION_TRANSITIONS,
}
# States that set a timeline's "ready" (a step's start) when first entered, and those that set its end.
MARKS_READY = frozenset(
    {
        ClusterState.RUNNING,
        ClusterState.WAITING,
        GroupState.RUNNING,
        InstanceState.RUNNING,
        StepState.RUNNING,
        SessionState.STARTED,
    }
)
MARKS_END = frozenset(
    {
        *states.CLUSTER_ENDED,
        *states.SESSION_ENDED,
        GroupState.TERMINATED,
        InstanceState.TERMINATED,
        StepState.COMPLETED,
        StepState.CANCELLED,
        StepState.FAILED,
        StepState.INTERRUPTED,
    }
)


NOT_PRESENT = frozenset({InstanceState.AWAITING_FULFILLMENT, InstanceState.TERMINATED})


class IllegalTransitionError(RuntimeError):
    """A state was asked for that cannot follow the present one: a bug in emrbox."""


@dataclass(frozen=True)
class Reason:
    """Why a state is what it is. Healthy states have a message at most."""

    code: ReasonCode | None = None
    message: str | None = None


@dataclass
class Status(Generic[S]):
    """A state with its reason and timeline. `ready` of a step is its start."""

    state: S
    created: datetime
    reason: Reason = field(default_factory=Reason)
    ready: datetime | None = None
    ended: datetime | None = None

    def move(self, state: S, now: datetime, reason: Reason | None = None) -> None:
        """Enter `state` at `now`. Entering the present state again changes only the reason."""
        if state != self.state and state not in TRANSITIONS[type(state)][self.state]:
            raise IllegalTransitionError(f"{self.state} -> {state}")
        self.state = state
        self.reason = reason or Reason()
        if state in MARKS_READY and self.ready is None:
            self.ready = now
        if state in MARKS_END and self.ended is None:
            self.ended = now


class HasStatus(Protocol[S]):
    """A cluster, group, instance, step or automatic scaling policy."""

    @property
    def status(self) -> Status[S]:
        """Its state."""


Subject = HasStatus[Any] | Notice  # of an event


@dataclass(frozen=True)
class BootstrapAction:
    """A script that runs on every node before applications exist."""

    name: str
    path: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailureDetails:
    """Why a step failed."""

    reason: str
    message: str | None
    log_file: str | None


@dataclass
class Step:
    """One unit of work. `application_ids` are the YARN applications that it started."""

    id: str
    name: str
    jar: str
    args: tuple[str, ...]
    main_class: str | None
    properties: dict[str, str]
    action_on_failure: ActionOnFailure
    status: Status[StepState]
    failure: FailureDetails | None = None
    application_ids: tuple[str, ...] = ()
    cancellation: str | None = None  # the StepCancellationOption of a CancelSteps


@dataclass
class Session:
    """One Spark Connect session. `request` is StartSession's; `server` is where its server listens.

    `secret` is what the server asks its clients for; only emrbox knows it.
    """

    id: str
    name: str
    request: dict[str, Any]
    status: Status[SessionState]
    changed: datetime
    idle_minutes: int
    idle_since: datetime | None = None
    server: tuple[str, int] | None = None
    secret: str = field(default="", repr=False)

    def move(self, state: SessionState, now: datetime, why: str | None = None) -> None:
        """Enter a state."""
        self.status.move(state, now, Reason(message=why))
        self.changed = now
        self.idle_since = now if state is SessionState.IDLE else self.idle_since


@dataclass(frozen=True)
class TypeConfig:
    """An instance type that may be launched, and what its instances get.

    `weight` is how many units of a target an instance is, 1 in groups. A bid is in USD, or in percent of the
    on-demand price.
    """

    name: str
    weight: int = 1
    bid_price: str | None = None
    bid_percent: float | None = None
    priority: float | None = None
    ebs: dict[str, Any] = field(default_factory=dict)
    configurations: list[dict[str, Any]] = field(default_factory=list)
    custom_ami_id: str | None = None


@dataclass(frozen=True)
class Purchase:
    """Instances to get from EC2; `fills` is the market whose target they are for."""

    type: TypeConfig
    market: str
    count: int
    fills: str


@dataclass(frozen=True)
class Place:
    """Where a cluster is launched; without a subnet EC2 chooses one. Hollow clusters' subnets have no VPC."""

    zone: str | None
    subnet_id: str | None = None
    vpc_id: str | None = None


@dataclass
class Instance:
    """One node, known to EMR by `id` and to EC2 by `ec2_id`. One that awaits fulfillment has only the first.

    `fills` is the market whose target it counts towards: an on-demand instance may stand in for spot ones.
    """

    id: str
    ec2_id: str
    private_ip: str
    private_dns: str
    type: TypeConfig
    market: str
    status: Status[InstanceState]
    volumes: list[dict[str, str]] = field(default_factory=list)  # EbsVolumes: Device, VolumeId
    fills: str = ON_DEMAND

    def become(self, bought: Instance) -> None:
        """Take over what EC2 has given for this instance, which has awaited it."""
        self.ec2_id, self.private_ip, self.private_dns = bought.ec2_id, bought.private_ip, bought.private_dns
        self.type, self.market, self.volumes = bought.type, bought.market, bought.volumes


Units = dict[str, int]  # by market


@dataclass(frozen=True)
class Resize:
    """A change of a group's size that is under way, or was the last one."""

    started: datetime
    before: Units
    wanted: Units


@dataclass
class Fleet:
    """What an instance fleet has that a group has not."""

    launch: dict[str, Any]  # LaunchSpecifications
    resize: dict[str, Any]  # ResizeSpecifications
    context: str | None = None
    switched: bool = False  # what is missing of its spot target at launch is bought on demand
    # Targets and units when a resize stopped by its time-outs: with these it is not tried again.
    stopped: tuple[Units, Units] | None = None


@dataclass
class AutoScaling:
    """The automatic scaling policy of the instance group with this id: Constraints and Rules."""

    id: str
    policy: dict[str, Any]
    status: Status[PolicyState]
    is_update: bool = False  # it has taken the place of another one


@dataclass
class Reconfiguration:
    """Changes of a group's configurations, counted: which was asked for, tried and applied last."""

    version: int = 0
    tried: int = 0
    applied_version: int = 0
    applied: list[dict[str, Any]] | None = None  # None: none has changed since the launch
    started: datetime | None = None  # the last one


@dataclass
class Group:
    """Instances of one role that are resized together: an instance group, or an instance fleet.

    `targets` are the units that are wanted, by market: a group has one type in one market, and each instance
    is one unit.
    """

    id: str
    name: str
    role: str  # MASTER | CORE | TASK
    types: list[TypeConfig]
    targets: Units
    status: Status[GroupState]
    instances: list[Instance] = field(default_factory=list)
    fleet: Fleet | None = None
    resize: Resize | None = None
    ids_to_terminate: set[str] = field(default_factory=set)  # EC2 ids, from ModifyInstanceGroups
    ids_to_replace: set[str] = field(default_factory=set)  # EC2 ids of nodes that are unhealthy
    first_ids: set[str] = field(default_factory=set)  # EC2 ids that a resize ends first
    protected_ids: set[str] = field(default_factory=set)  # EC2 ids that a resize ends last
    decommission_seconds: int = 3600  # docs/aws_facts.md 2.5
    first_seconds: int | None = None  # the same, of `first_ids`; None: as of the others
    shrink_policy: dict[str, Any] = field(default_factory=dict)
    auto_scaling: AutoScaling | None = None
    reconfiguration: Reconfiguration = field(default_factory=Reconfiguration)

    def seconds_to_leave(self, instance: Instance) -> int:
        """How long a resize waits at most for what an instance runs and stores."""
        if instance.ec2_id in self.first_ids and self.first_seconds is not None:
            return self.first_seconds
        return self.decommission_seconds

    @property
    def market(self) -> str:
        """The market of an instance group."""
        return next(iter(self.targets))

    @property
    def type(self) -> TypeConfig:
        """The instance type of an instance group."""
        return self.types[0]

    @property
    def requested_count(self) -> int:
        """The units that are wanted in all markets; in an instance group its instances."""
        return sum(self.targets.values())

    @property
    def present(self) -> list[Instance]:
        """The instances that EC2 has given and that are not over."""
        return [i for i in self.instances if i.status.state not in NOT_PRESENT]

    @property
    def awaiting(self) -> list[Instance]:
        """The instances that EC2 has not given yet."""
        return [i for i in self.instances if i.status.state is InstanceState.AWAITING_FULFILLMENT]

    def provisioned(self, market: str) -> int:
        """How many units there are towards the target of this market."""
        return sum(instance.type.weight for instance in self.present if instance.fills == market)

    def lacks(self, market: str) -> int:
        """How many units are missing to the target of this market."""
        return max(0, self.targets.get(market, 0) - self.provisioned(market))

    @property
    def is_short(self) -> bool:
        """Whether units are missing to a target."""
        return any(self.lacks(market) for market in self.targets)

    @property
    def standing(self) -> Units:
        """The units that there are, by market."""
        return {market: self.provisioned(market) for market in self.targets}

    @property
    def running_count(self) -> int:
        """How many instances work now."""
        return sum(instance.status.state is InstanceState.RUNNING for instance in self.instances)


@dataclass(frozen=True)
class Ending:
    """A decision to end a cluster: why, and whether the state at the end says "with errors"."""

    reason: Reason
    with_errors: bool
    details: tuple[dict[str, Any], ...] = ()


def no_driver() -> None:
    """Do nothing: this cluster has no driver."""


@dataclass
class Cluster:
    """One cluster. `request` is RunJobFlow's, for Describe*."""

    id: str
    name: str
    release_label: str
    request: dict[str, Any]
    status: Status[ClusterState]
    groups: list[Group]
    bootstrap_actions: list[BootstrapAction]
    tags: dict[str, str]
    keep_alive: bool
    termination_protected: bool
    visible_to_all_users: bool
    step_concurrency: int
    service_role: str
    instance_profile: str
    role_name: str  # the instance profile's role
    log_uri: str | None
    account_id: str = ACCOUNT_ID
    is_hollow: bool = False  # it has no nodes
    idle_timeout_seconds: int | None = None
    managed_scaling: dict[str, Any] | None = None  # ManagedScalingPolicy
    unhealthy_node_replacement: bool = True
    subnet_id: str | None = None
    availability_zone: str | None = None
    vpc_id: str | None = None
    public_access: PublicAccess = field(default_factory=PublicAccess)  # the account's, at the launch
    metadata_options: dict[str, Any] = field(default_factory=dict)  # of EC2, for the nodes
    steps: list[Step] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    error_details: list[dict[str, Any]] = field(default_factory=list)
    ending: Ending | None = None
    master_dns: str | None = None
    clock: Clock | None = None  # None: the box's
    security_groups: dict[str, str] = field(
        default_factory=dict
    )  # "Master", "Slave" -> the managed group's id
    core_count_at_start: int = 0  # what follows from it stays when the cluster is resized
    watcher: Watcher | None = None
    # Asks the driver for a turn: called after a change of the records from outside of the engine.
    wake: Callable[[], None] = no_driver
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def master(self) -> Group:
        """The primary node's group."""
        return next(group for group in self.groups if group.role == "MASTER")

    @property
    def primary(self) -> Instance:
        """The primary node's instance; of several the first that is there."""
        known = [instance for instance in self.master.instances if instance.ec2_id]
        return next((instance for instance in known if instance in self.master.present), known[0])

    @property
    def present(self) -> list[Instance]:
        """The instances that EC2 has given and that are not over."""
        return [instance for group in self.groups for instance in group.present]

    @property
    def instances(self) -> list[Instance]:
        """Every instance that the cluster ever had."""
        return [instance for group in self.groups for instance in group.instances]

    @property
    def active_steps(self) -> list[Step]:
        """Steps that are not over."""
        return [step for step in self.steps if step.status.state in states.STEP_ACTIVE]

    @property
    def active_sessions(self) -> list[Session]:
        """Sessions that are not over."""
        return [one for one in self.sessions if one.status.state not in states.SESSION_ENDED]

    def move(self, subject: HasStatus[S], state: S, now: datetime, reason: Reason | None = None) -> None:
        """Move the cluster, or a group, instance or step of it: the one place where states change.

        The watcher is called for every new state, not for a new reason of the present state.
        """
        before = subject.status.state
        subject.status.move(state, now, reason)
        if subject.status.state != before:
            self.announce(subject, before, now)

    def notify(self, kind: Kind, group: Group, now: datetime, **words: object) -> None:
        """Report what is no new state."""
        self.announce(Notice(kind, group, words), None, now)

    def announce(self, subject: Subject, before: states.State | None, now: datetime) -> None:
        """Call the watcher for a new state; `before` is None for what has just been made."""
        if self.watcher is None:
            return
        try:
            self.watcher(self, subject, before, now)
        except Exception:  # whoever watches must not keep the cluster from its next state
            LOG.exception("a new state of %s was not announced", self.id)

    def end(self, ending: Ending, now: datetime) -> None:
        """Begin to terminate, for the first reason that was given; later ones change nothing."""
        if self.status.state not in states.CLUSTER_LIVE:
            return
        self.ending = ending
        self.error_details = list(ending.details)
        self.move(self, ClusterState.TERMINATING, now, ending.reason)

    def snapshot(self) -> Cluster:
        """Return a copy of the records as they are now. It has no driver and no watcher."""
        with self.lock:
            records = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in NOT_RECORDS}
            return Cluster(**copy.deepcopy(records), clock=self.clock)


NOT_RECORDS = frozenset({"clock", "watcher", "wake", "lock"})
# Called for every state that is entered: cluster, what has it, its state before (None: just made), the time.
# It is called under the cluster's lock and must neither wait nor raise.
Watcher = Callable[[Cluster, Subject, states.State | None, "datetime"], None]
