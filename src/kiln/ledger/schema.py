"""The ledger's schema: one JSON document a run.

What is read back is checked in `decode`: form, sizes, ids. Texts in it (messages, names of steps) are not
trusted to be more than text.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from kiln.clock import timestamp
from kiln.errors import PreflightError
from kiln.identity import CLUSTER_ID, STEP_ID

if TYPE_CHECKING:
    from kiln.aws.effects import StoredObject

VERSION = 2
# Older versions that are read as they are: every field that came later has a default.
_READABLE = frozenset({1, VERSION})
ClusterId = Annotated[str, Meta(pattern=rf"^{CLUSTER_ID.pattern}\Z")]
StepId = Annotated[str, Meta(pattern=rf"^{STEP_ID.pattern}\Z")]
# More than any run makes: longer lists were not written by Kiln. Each attempt and step may cost a call.
_MOST_ATTEMPTS, _MOST_STEPS, _MOST = Meta(max_length=100), Meta(max_length=1000), Meta(max_length=10_000)
Fingerprints = Annotated[dict[str, Annotated[str, Meta(max_length=100)]], Meta(max_length=20)]
# How a launch or a step ended that has had no effect, or none that showed.
REFUSED, NOT_FOUND = "REFUSED", "NOT_FOUND"
RETENTION = timedelta(days=60)
# How often a driver says that it lives, and after what time without that it counts as dead.
HEARTBEAT_SECONDS = 45.0
DEAD_SECONDS = 180.0


class Driver(msgspec.Struct, kw_only=True):
    """A command that works on the run now, and when it last said so.

    `phases` are the names of what it does; `whole`: it answers for the end of the run's cluster. One whose
    heartbeat is older than DEAD_SECONDS is dead: killed, or its machine was lost. `machine` and
    `process_started` let another process of the same machine see that it has ended before that.
    """

    id: str
    host: str
    pid: int
    phases: Annotated[list[str], Meta(max_length=1000)] = []
    whole: bool = False
    started_at: str
    heartbeat_at: str
    machine: str = ""
    process_started: str = ""


class Attempt(msgspec.Struct, kw_only=True):
    """One launch of a cluster. Without cluster_id it is an intent only: it may or may not have happened.

    `alternative` holds the launch settings that this attempt had in place of the pipeline's own ones.
    `failure_class` is a name of kiln.failure_classes, empty while the attempt is good. `shared`: a cluster
    that exists without the run, which nobody ends for it; `ended_at` is when the run left it.
    """

    intent_at: str
    cluster_id: ClusterId | None = None
    launched_at: str | None = None
    ended_at: str | None = None
    end_state: str | None = None
    alternative: dict[str, Any] = {}
    nodes: int = 0
    failure_class: str = ""
    message: str = ""
    shared: bool = False


class StepIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a step was added with. An empty value is one that is not known, and is not compared.

    `arguments` are jar and arguments, `commit` that of the model repo on the nodes, `environment` the hash of
    the Python environment, `inputs` a digest of what lay below each declared input.
    """

    arguments: Annotated[list[str], Meta(max_length=10_000)] = []
    commit: str = ""
    environment: str = ""
    inputs: dict[str, str] = {}


class StepEntry(msgspec.Struct, kw_only=True):
    """One addition of a step to a cluster. Without a step_id it is an intent only."""

    name: str
    cluster_id: ClusterId
    intent_at: str
    step_id: StepId | None = None
    state: str | None = None
    seconds: float | None = None
    identity: StepIdentity | None = None
    # Its failure does not fail the run.
    optional: bool = False
    # What asked for this addition although the step was complete (--again-once); empty: nothing.
    request: Annotated[str, Meta(max_length=100)] = ""


class Phase(msgspec.Struct, kw_only=True):
    """A part of a run. `status` is ok or failed; not `changed`: all of it had been done before.

    `message`, `details` and `fix` are those of the error. `ended_at` is empty in older ledgers.
    """

    name: str
    status: str
    seconds: float
    changed: bool = False
    message: str = ""
    details: Annotated[list[str], Meta(max_length=100)] = []
    fix: str = ""
    ended_at: str = ""


class Event(msgspec.Struct, kw_only=True):
    """Something that happened."""

    at: str
    kind: str
    data: dict[str, Any] = {}


class Run(msgspec.Struct, kw_only=True):
    """The whole document."""

    version: int = VERSION
    environment: str
    pipeline: str
    run_id: str
    owner: str = ""
    created_at: str
    updated_at: str = ""
    # Another one in each write: two processes that record the same at the same second write different bytes,
    # and each can see whether it was its own write that had the effect.
    write_id: str = ""
    # What later actions take when they are given no date.
    data_date: str | None = None
    verdict: str = "running"
    exit_code: int | None = None
    failed_phase: str | None = None
    # How many launches and steps the verdict covers (`begun` at that time); later ones are not part of it.
    concluded: int | None = None
    failure_class: str = ""
    message: str = ""
    # Commands that work on the run now.
    drivers: Annotated[list[Driver], Meta(max_length=100)] = []
    # The commit of the model repo and the hash of the Python environment on the nodes of one cluster, the
    # last one that got any. Older ledgers do not say which: nothing is known about any cluster then.
    deployed_commit: str = ""
    deployed_environment: str = ""
    deployed_cluster_id: ClusterId | None = None
    # The commits that were active on that cluster's nodes, the present one last: each deploy adds one, a
    # rollback takes away those after the one that it goes back to.
    deployed_commits: Annotated[list[str], Meta(max_length=100)] = []
    # What every node of that cluster has to have, by item of the definition, and what each one has, by
    # instance id: the fingerprints of kiln.nodes.definition.
    deployed_items: Fingerprints = {}
    deployed_nodes: Annotated[dict[str, Fingerprints], _MOST] = {}
    # Somebody has asked for the end of the run: no driver begins anything more.
    cancel_requested_at: str | None = None
    # Until when the cluster of the failed run is kept for debugging.
    held_until: str | None = None
    attempts: Annotated[list[Attempt], _MOST_ATTEMPTS] = []
    steps: Annotated[list[StepEntry], _MOST_STEPS] = []
    phases: Annotated[list[Phase], _MOST] = []
    outputs: Annotated[list[dict[str, Any]], _MOST] = []
    events: Annotated[list[Event], _MOST] = []

    @property
    def launch_is_open(self) -> bool:
        """Return whether the last launch was intended but its outcome never recorded."""
        last = self.attempts[-1] if self.attempts else None
        return last is not None and last.cluster_id is None and last.end_state is None

    @property
    def begun(self) -> int:
        """Return how many launches and steps were begun."""
        return len(self.attempts) + len(self.steps)

    def keep_date(self, date: str | None) -> None:
        """Remember the data's date. It stays once its cluster has a step: another one will be refused."""
        has_step = any(one.cluster_id in self.cluster_ids[-1:] for one in self.steps)
        if date is not None and (self.data_date is None or not has_step):
            self.data_date = date

    @staticmethod
    def age_of(moment: str, now: datetime) -> float:
        """Return how many seconds ago a time of a ledger is; one that cannot be read is long ago."""
        try:
            return (now - datetime.fromisoformat(moment)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return RETENTION.total_seconds()

    @property
    def cluster_ids(self) -> list[str]:
        """Return the ids of the clusters that were launched, oldest first."""
        return list(dict.fromkeys(one.cluster_id for one in self.attempts if one.cluster_id))

    @property
    def own_cluster_ids(self) -> list[str]:
        """Return the ids of the clusters that are the run's own, oldest first."""
        return [one for one in self.cluster_ids if not self.shares(one)]

    @property
    def shared_cluster_id(self) -> str | None:
        """Return the id of the existing cluster that the run uses now, None when it has none or left it."""
        last = self.attempts[-1] if self.attempts else None
        return last.cluster_id if last and last.shared and not last.ended_at else None

    def shares(self, cluster_id: str) -> bool:
        """Return whether a cluster is one that the run uses or has used, and that is not its own."""
        return any(one.shared and one.cluster_id == cluster_id for one in self.attempts)

    def expected_ids(self, now: datetime) -> list[str]:
        """Return the ids of the clusters that AWS must know: launched, end not recorded, not too old.

        EMR forgets ended clusters after two months (docs/aws_facts.md 1.8).
        """
        young = timestamp(now - RETENTION)
        attempts = [one for one in self.attempts if one.cluster_id and not (one.ended_at or one.shared)]
        return [one.cluster_id for one in attempts if one.cluster_id and one.intent_at > young]


class LedgerUnreadableError(PreflightError):
    """The object is no ledger that this version can read. Name and tags still identify clusters."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fix="correct or remove that object; status and terminate work without it")


def encode(run: Run) -> bytes:
    """Write a ledger document. Halves of surrogate pairs, which UTF-8 cannot hold, become question marks."""
    try:
        document = msgspec.json.encode(run)
    except UnicodeEncodeError:
        document = msgspec.json.encode(_encodable(msgspec.to_builtins(run)))
    return msgspec.json.format(document, indent=1)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    return value


def decode(stored: StoredObject, uri: str) -> Run:
    """Read a ledger document. Raises LedgerUnreadableError, whatever is wrong with it."""
    if not stored.is_whole:
        raise LedgerUnreadableError(f"the ledger {uri} is too large: {stored.size} bytes")
    try:
        run = msgspec.json.decode(stored.body, type=Run)
    # Deep nesting, text that is no UTF-8, numbers out of range: msgspec has an error of its own for the rest.
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise LedgerUnreadableError(f"the ledger {uri} cannot be read: {error}") from error
    if run.version not in _READABLE:
        raise LedgerUnreadableError(f"the ledger {uri} has version {run.version}, this kiln knows {VERSION}")
    run.version = VERSION
    return run
