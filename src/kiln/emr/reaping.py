"""Why `kiln reap` ends a cluster: a table of reasons over what tags, EMR and the run's ledger say.

Tags and names are enough: a ledger can only add the reason `orphaned` and protect a run whose driver works.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kiln.clock import timestamp
from kiln.emr import idle, states, tags
from kiln.ledger import drivers
from kiln.ledger.schema import DEAD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kiln.aws.effects import Cluster, Step
    from kiln.ledger.schema import Run

# EMR's own idle timeout when a cluster's tags name none (docs/aws_facts.md 1.6).
_IDLE_SECONDS = 3600


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A live cluster that is Kiln's by name and tags, and what decides whether it is ended.

    Tags are judged by `now`, this machine's time, heartbeats by `aws_now`, that of S3. `run` is the ledger,
    None when there is none that can be read; while S3 does not answer (`is_unknown`), a driver may be at
    work. `older` is the id of an older usable cluster of the same run. `grace_seconds` is added to the idle
    timeout.
    """

    cluster: Cluster
    now: datetime
    aws_now: datetime
    grace_seconds: float
    run: Run | None = None
    is_unknown: bool = False
    older: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def has_driver(self) -> bool:
        """Return whether a driver of the run is at work."""
        return bool(drivers.alive(self.run, self.aws_now))


class Reason(NamedTuple):
    """One line of the table. `why` returns the explanation, or nothing when the reason does not apply.

    `despite_driver`: it applies also while a driver of the run is at work.
    """

    name: str
    why: Callable[[Case], str]
    meaning: str
    despite_driver: bool = False


class Finding(NamedTuple):
    """The reason that applies to a cluster, and the explanation for this one."""

    reason: Reason
    why: str


def _hold(case: Case) -> datetime | None:
    """Return until when the cluster is or was held for debugging; None for one that never was."""
    return tags.moment(case.cluster.tags, tags.HELD_UNTIL)


def _expired(case: Case) -> str:
    at = tags.moment(case.cluster.tags, tags.EXPIRES_AT)
    counts = at is not None and _hold(case) is None
    return f"expired at {timestamp(at)}" if at and counts and at <= case.now else ""


def _held_too_long(case: Case) -> str:
    at = _hold(case)
    return f"was held until {timestamp(at)}" if at is not None and at <= case.now else ""


def _doubled(case: Case) -> str:
    return f"{case.older} is an older cluster of the same run" if case.older else ""


def _orphaned(case: Case) -> str:
    if case.run is None or not any(one.whole for one in case.run.drivers):
        return ""
    last = max(case.run.drivers, key=lambda one: one.heartbeat_at)
    return f"driver {last.pid} on {last.host} was last seen at {last.heartbeat_at}"


def _idle(case: Case) -> str:
    since = idle.since(case.cluster, case.steps)
    if since is None or case.now - since < idle_limit(case):
        return ""
    return f"idle since {timestamp(since)}"


def idle_limit(case: Case) -> timedelta:
    """Return for how long the cluster may be idle: its own timeout, at which EMR should end it, and grace."""
    own = tags.seconds(case.cluster.tags, tags.IDLE_TIMEOUT)
    return timedelta(seconds=(_IDLE_SECONDS if own is None else own) + case.grace_seconds)


IDLE, ORPHANED = "idle", "orphaned"
# In this order; the first that applies counts.
REASONS: tuple[Reason, ...] = (
    Reason("held_too_long", _held_too_long, "its tag `held_until` has passed", despite_driver=True),
    Reason("expired", _expired, "its tag `expires_at` has passed, and it is not held", despite_driver=True),
    Reason(
        "doubled", _doubled, "the run has an older cluster that can be used; of several the oldest is kept"
    ),
    Reason(
        ORPHANED,
        _orphaned,
        f"the ledger has drivers of the run, one of them answers for the whole run, and none has had a "
        f"heartbeat for {DEAD_SECONDS:.0f} seconds",
    ),
    Reason(
        IDLE,
        _idle,
        "it is WAITING and has had no step for longer than its tag `idle_timeout_seconds` and "
        "`kiln_reap_grace_seconds`",
    ),
)


def why_kept(case: Case) -> str:
    """Return what keeps a cluster that is not to be ended, empty when there is nothing but its age."""
    held = tags.held_until(case.cluster.tags, case.now)
    if held is not None:
        return f"held until {timestamp(held)}"
    if case.is_unknown:
        return "its ledger is not known"
    return "a driver works on its run" if case.has_driver else ""


def judged(case: Case) -> Finding | None:
    """Return why a cluster is to be ended, None when it stays."""
    if tags.held_until(case.cluster.tags, case.now) is not None:
        return None
    at_work = case.is_unknown or case.has_driver
    for reason in REASONS:
        if at_work and not reason.despite_driver:
            continue
        why = reason.why(case)
        # One that is ending needs no other reason than its time: it should have been gone then.
        if why and (reason.despite_driver or case.cluster.state in states.CLUSTER_USABLE):
            return Finding(reason, why)
    return None
