"""What can happen to a cluster, group, instance and step, as tables.

Sources: botocore's model for names, docs/aws_facts.md 1.1-1.4 for meanings, messages, transitions. Where the
public sources are silent the entry is marked as a guess.
"""

from __future__ import annotations

from enum import StrEnum


class ClusterState(StrEnum):
    """Cluster states."""

    STARTING = "STARTING"
    BOOTSTRAPPING = "BOOTSTRAPPING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    TERMINATED_WITH_ERRORS = "TERMINATED_WITH_ERRORS"


class GroupState(StrEnum):
    """Instance group states."""

    PROVISIONING = "PROVISIONING"
    BOOTSTRAPPING = "BOOTSTRAPPING"
    RUNNING = "RUNNING"
    RECONFIGURING = "RECONFIGURING"
    RESIZING = "RESIZING"
    SUSPENDED = "SUSPENDED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    ARRESTED = "ARRESTED"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    ENDED = "ENDED"


class InstanceState(StrEnum):
    """Instance states."""

    AWAITING_FULFILLMENT = "AWAITING_FULFILLMENT"
    PROVISIONING = "PROVISIONING"
    BOOTSTRAPPING = "BOOTSTRAPPING"
    RUNNING = "RUNNING"
    TERMINATED = "TERMINATED"


class StepState(StrEnum):
    """Step states."""

    PENDING = "PENDING"
    CANCEL_PENDING = "CANCEL_PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"


class PolicyState(StrEnum):
    """States of a group's automatic scaling policy."""

    PENDING = "PENDING"
    ATTACHING = "ATTACHING"
    ATTACHED = "ATTACHED"
    DETACHING = "DETACHING"
    DETACHED = "DETACHED"
    FAILED = "FAILED"


class SessionState(StrEnum):
    """States of a Spark Connect session."""

    SUBMITTED = "SUBMITTED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    IDLE = "IDLE"
    BUSY = "BUSY"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    FAILED = "FAILED"


class ReasonCode(StrEnum):
    """State change reason codes of clusters, groups, instances and scaling policies together."""

    INTERNAL_ERROR = "INTERNAL_ERROR"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    INSTANCE_FAILURE = "INSTANCE_FAILURE"
    INSTANCE_FLEET_TIMEOUT = "INSTANCE_FLEET_TIMEOUT"
    BOOTSTRAP_FAILURE = "BOOTSTRAP_FAILURE"
    USER_REQUEST = "USER_REQUEST"
    STEP_FAILURE = "STEP_FAILURE"
    ALL_STEPS_COMPLETED = "ALL_STEPS_COMPLETED"
    CLUSTER_TERMINATED = "CLUSTER_TERMINATED"
    PROVISION_FAILURE = "PROVISION_FAILURE"


class ActionOnFailure(StrEnum):
    """What a failing step does to the steps behind it and to the cluster."""

    TERMINATE_JOB_FLOW = "TERMINATE_JOB_FLOW"
    TERMINATE_CLUSTER = "TERMINATE_CLUSTER"
    CANCEL_AND_WAIT = "CANCEL_AND_WAIT"
    CONTINUE = "CONTINUE"


State = ClusterState | GroupState | InstanceState | StepState | PolicyState | SessionState

_C, _G, _I, _S, _P = ClusterState, GroupState, InstanceState, StepState, PolicyState
_N = SessionState
_ENDED = {_C.TERMINATED, _C.TERMINATED_WITH_ERRORS}

CLUSTER_TRANSITIONS: dict[ClusterState, set[ClusterState]] = {
    _C.STARTING: {_C.BOOTSTRAPPING, _C.TERMINATING},
    _C.BOOTSTRAPPING: {_C.RUNNING, _C.WAITING, _C.TERMINATING},
    _C.RUNNING: {_C.WAITING, _C.TERMINATING},
    _C.WAITING: {_C.RUNNING, _C.TERMINATING},
    _C.TERMINATING: _ENDED,
    _C.TERMINATED: set(),
    _C.TERMINATED_WITH_ERRORS: set(),
}
# A group that ends goes through TERMINATING. No public source says what brings a group to ARRESTED.
GROUP_TRANSITIONS: dict[GroupState, set[GroupState]] = {
    _G.PROVISIONING: {_G.BOOTSTRAPPING, _G.SUSPENDED, _G.TERMINATING},
    _G.BOOTSTRAPPING: {_G.RUNNING, _G.SUSPENDED, _G.TERMINATING},
    _G.RUNNING: {_G.RESIZING, _G.RECONFIGURING, _G.TERMINATING},
    _G.RESIZING: {_G.RUNNING, _G.SUSPENDED, _G.TERMINATING},
    _G.RECONFIGURING: {_G.RUNNING, _G.SUSPENDED, _G.TERMINATING},
    _G.SUSPENDED: {_G.RESIZING, _G.TERMINATING},
    _G.ARRESTED: {_G.TERMINATING},
    _G.TERMINATING: {_G.TERMINATED},
    _G.TERMINATED: set(),
}
INSTANCE_TRANSITIONS: dict[InstanceState, set[InstanceState]] = {
    _I.AWAITING_FULFILLMENT: {_I.PROVISIONING, _I.TERMINATED},
    _I.PROVISIONING: {_I.BOOTSTRAPPING, _I.TERMINATED},
    _I.BOOTSTRAPPING: {_I.RUNNING, _I.TERMINATED},
    _I.RUNNING: {_I.TERMINATED},
    _I.TERMINATED: set(),
}
STEP_TRANSITIONS: dict[StepState, set[StepState]] = {
    _S.PENDING: {_S.RUNNING, _S.CANCELLED},
    _S.RUNNING: {_S.COMPLETED, _S.FAILED, _S.INTERRUPTED, _S.CANCELLED, _S.CANCEL_PENDING},
    _S.CANCEL_PENDING: {_S.CANCELLED, _S.COMPLETED, _S.FAILED, _S.INTERRUPTED},
    _S.COMPLETED: set(),
    _S.CANCELLED: set(),
    _S.FAILED: set(),
    _S.INTERRUPTED: set(),
}
# A policy that is put again is a new one. That all states lead to DETACHING is a guess.
POLICY_TRANSITIONS: dict[PolicyState, set[PolicyState]] = {
    _P.PENDING: {_P.ATTACHING, _P.DETACHING},
    _P.ATTACHING: {_P.ATTACHED, _P.FAILED, _P.DETACHING},
    _P.ATTACHED: {_P.DETACHING},
    _P.DETACHING: {_P.DETACHED},
    _P.DETACHED: set(),
    _P.FAILED: {_P.DETACHING},
}

# The model names the states; what leads from one to another is a guess.
SESSION_TRANSITIONS: dict[SessionState, set[SessionState]] = {
    _N.SUBMITTED: {_N.STARTING, _N.TERMINATING},
    _N.STARTING: {_N.STARTED, _N.FAILED, _N.TERMINATING},
    _N.STARTED: {_N.IDLE, _N.FAILED, _N.TERMINATING},
    _N.IDLE: {_N.BUSY, _N.FAILED, _N.TERMINATING},
    _N.BUSY: {_N.IDLE, _N.FAILED, _N.TERMINATING},
    _N.TERMINATING: {_N.TERMINATED},
    _N.TERMINATED: set(),
    _N.FAILED: set(),
}

CLUSTER_LIVE = frozenset({_C.STARTING, _C.BOOTSTRAPPING, _C.RUNNING, _C.WAITING})
CLUSTER_READY = frozenset({_C.RUNNING, _C.WAITING})
CLUSTER_ENDED = frozenset(_ENDED)
STEP_ACTIVE = frozenset({_S.PENDING, _S.RUNNING, _S.CANCEL_PENDING})
SESSION_READY = frozenset({_N.STARTED, _N.IDLE, _N.BUSY})
SESSION_ENDED = frozenset({_N.TERMINATED, _N.FAILED})
STEP_STARTED = frozenset({_S.RUNNING, _S.CANCEL_PENDING})
TERMINATES_CLUSTER = frozenset({ActionOnFailure.TERMINATE_CLUSTER, ActionOnFailure.TERMINATE_JOB_FLOW})
# Guess (docs/aws_facts.md 14.1): moto and mrjob both take it for the API's default.
DEFAULT_ACTION_ON_FAILURE = ActionOnFailure.TERMINATE_CLUSTER

# Messages really seen (docs/aws_facts.md 1.1).
PROVISIONING_CAPACITY = "Provisioning Amazon EC2 capacity"
CONFIGURING_SOFTWARE = "Configuring cluster software"
RUNNING_BOOTSTRAP_ACTIONS = "Running bootstrap actions"
RUNNING_STEP = "Running step"
READY_FRESH = "Cluster ready to run steps."
READY_AFTER_COMPLETED = "Cluster ready after last step completed."
READY_AFTER_FAILED = "Cluster ready after last step failed."
STEPS_COMPLETED = "Steps completed"
STEPS_COMPLETED_WITH_ERRORS = "Steps completed with errors"
TERMINATED_BY_USER = "Terminated by user request"
SHUT_DOWN_AS_STEP_FAILED = "Shut down as step failed"
MASTER_TERMINATED = "The master node was terminated. "
ALL_INSTANCES_TERMINATED = "All instances in the job flow are terminated"
# Guess (docs/aws_facts.md 14.3): the code and text when the idle policy fires are not documented.
IDLE_TIMEOUT_REACHED = "Cluster terminated by its auto-termination policy"
INSTANCE_TERMINATED_WITH_CLUSTER = "Job flow terminated"
