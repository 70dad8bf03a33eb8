"""An AWS in memory: clusters and steps move with the virtual clock, faults come at a chosen call."""

from __future__ import annotations

import json
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from kiln.aws import effects
from kiln.emr import launch
from kiln.emr.waiting import Waiting
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    ConditionFailedError,
    DeadlineError,
    KilnError,
    PlaybookError,
    StepNotFoundError,
    ThrottledError,
    UnansweredError,
)
from kiln.runs.cluster_work import LAUNCHED_STEPS
from kiln.settings.model import ClusterShape, Driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kiln.phases import Phase
    from kiln.playbooks.supervision import Supervision
    from kiln.settings.model import StepSettings

START = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
BOOT_SECONDS = 60
MASTER = effects.Instance(
    id="ci-1", ec2_instance_id="i-1", private_ip_address="10.0.0.7", group="MASTER", state="RUNNING"
)
END_SECONDS = 30


def shape(**changes: Any) -> ClusterShape:
    values: dict[str, Any] = {
        "release_label": "emr-spark-8.0.0",
        "applications": ("Hadoop", "Spark"),
        "log_uri": "s3://logs/emr/",
        "key_pair": "key",
        "service_role": "service",
        "instance_profile": "profile",
        "master_instance_type": "m5.xlarge",
        "core_instance_type": "m5.xlarge",
        "core_count": 2,
        "idle_timeout_seconds": 3600,
        "max_lifetime_seconds": 7200,
    }
    return ClusterShape(**values | changes)


def driver(**changes: Any) -> Driver:
    """Return the settings that every run has, and `changes`."""
    values: dict[str, Any] = {
        "ds": "2026-11-20",
        "aws_region": "us-east-1",
        "kiln_state_uri": "s3://state/kiln",
        "kiln_environment": "local",
        "kiln_owner": "ops",
        "kiln_launch_timeout_seconds": 1,
        "kiln_step_timeout_seconds": 1,
        "kiln_run_timeout_seconds": 1,
        "kiln_terminate_timeout_seconds": 1,
        "kiln_poll_interval_seconds": 1.0,
    }
    return Driver(**values | changes)


class VirtualClock:
    """Time passes only when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, seconds: float, wake: Any) -> None:
        if not wake.is_set():
            self.seconds += max(seconds, 0.001)


BY_USER = ("USER_REQUEST", "Terminated by user request")


@dataclass
class FakeCluster:
    id: str
    request: Mapping[str, Any]
    created: float
    fails_with: tuple[str, str] | None = None
    ended_at: float | None = None
    ended_because: tuple[str, str] = BY_USER
    protected: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    idle_seconds: int | None = None
    steps: list[FakeStep] = field(default_factory=list)


@dataclass
class FakeStep:
    id: str
    request: effects.StepRequest
    created: float
    seconds: float
    outcome: str
    cancelled_at: float | None = None
    # When it begins, when it was part of the launch.
    begins: float | None = None


# What may go wrong at a call: kind -> (does the effect happen, what is raised).
FAULTS: dict[str, tuple[bool, Callable[[str], Exception] | None]] = {
    "throttled": (False, lambda _: ThrottledError("Rate exceeded")),
    "lost_before": (False, lambda call: UnansweredError("no answer", code="NoAnswer", operation=call)),
    "lost_after": (True, lambda call: UnansweredError("no answer", code="NoAnswer", operation=call)),
    "refused": (False, lambda call: AwsError("refused", code="AccessDenied", operation=call)),
    "bug": (False, lambda _: RuntimeError("a fault in kiln")),
}


class FakeAws:
    """`effects.Effects` in memory."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.clusters: dict[str, FakeCluster] = {}
        self.objects: dict[str, bytes] = {}
        # How far S3's clock is ahead of this machine's; None: S3 does not say what time it is.
        self.s3_ahead: timedelta | None = None
        # When objects were written by PutObject; the others are as old as the clock.
        self.modified: dict[str, datetime] = {}
        self.calls: list[str] = []
        self.faults: dict[int, str] = {}
        self.every_call: str | None = None
        self.before_call: Callable[[int], None] = lambda _: None
        # After the effect of a call and before its answer.
        self.after_call: Callable[[int], None] = lambda _: None
        self.boot_fails: tuple[str, str] | None = None
        self.step_seconds = 20.0
        self.step_outcomes: dict[str, str] = {}
        self.never_ends = False
        self.ignores_cancel = False
        # A step that does not end by SIGTERM, but by SIGKILL.
        self.ignores_interrupt = False
        # Reads of EMR show what was this many seconds ago, as emrbox's fault `lag` has it.
        self.lag = 0.0
        self.nodes: dict[str, list[effects.Instance]] = {}
        self.instances: dict[str, effects.Ec2Instance] = {}
        self.queues: dict[str, list[effects.Message]] = {}
        # What topics got: ARN, subject, text.
        self.published: list[tuple[str, str, str]] = []
        self.lost: dict[str, list[effects.LostInstance]] = {}
        # By owner.
        self.images: dict[str, list[effects.Image]] = {}
        # By instance and whether the latest output is asked for.
        self.consoles: dict[tuple[str, bool], str] = {}
        self.snapshots: set[str] = set()
        # Applications by release, and the instance types of all of them.
        self.releases: dict[str, tuple[str, ...]] = {"emr-spark-8.0.0": ("Hadoop", "Spark")}
        self.instance_types = frozenset({"m5.xlarge", "m5.2xlarge", "r5.xlarge"})
        self.databases: set[str] = set()
        # The batches of each, by group and stream.
        self.log_streams: dict[tuple[str, str], list[list[effects.LogEvent]]] = {}
        # By database and name, and by database, table and values.
        self.tables: dict[tuple[str, str], effects.CatalogTable] = {}
        self.partitions: dict[tuple[str, str, tuple[str, ...]], effects.CatalogPartition] = {}

    @contextmanager
    def _call(self, name: str) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        self.before_call(number)
        kind = self.faults.get(number, self.every_call)
        happens, error = FAULTS[kind] if kind else (True, None)
        if not happens and error:
            raise error(name)
        yield
        self.after_call(number)
        if error:
            raise error(name)

    # --- what AWS would know ---

    def state(self, cluster: FakeCluster, lag: float = 0.0) -> str:
        now = self.clock.seconds - lag
        if cluster.ended_at is not None and now >= cluster.ended_at:
            if self.never_ends or now < cluster.ended_at + END_SECONDS:
                return "TERMINATING"
            by_step = cluster.ended_because[0] == "STEP_FAILURE"
            return "TERMINATED_WITH_ERRORS" if by_step else "TERMINATED"
        if now < cluster.created + BOOT_SECONDS:
            return "STARTING" if now < cluster.created + BOOT_SECONDS / 2 else "BOOTSTRAPPING"
        if cluster.fails_with:
            return "TERMINATED_WITH_ERRORS"
        busy = any(self.step_state(cluster, step, lag) in {"PENDING", "RUNNING"} for step in cluster.steps)
        return "RUNNING" if busy else "WAITING"

    def step_state(self, cluster: FakeCluster, step: FakeStep, lag: float = 0.0) -> str:
        now = self.clock.seconds - lag
        begins = step.created if step.begins is None else step.begins
        end = begins + step.seconds
        stopped = min((t for t in (step.cancelled_at, cluster.ended_at) if t is not None), default=None)
        if stopped is not None and stopped < end and now >= stopped:
            return "CANCELLED"
        if now < begins:
            return "PENDING"
        return step.outcome if now >= end else "RUNNING"

    def live(self) -> list[str]:
        """The clusters that cost money and that nobody has asked to end."""
        return [one.id for one in self.clusters.values() if self.state(one) not in ENDED]

    def _cluster(self, cluster_id: str) -> FakeCluster:
        if cluster_id not in self.clusters:
            raise ClusterNotFoundError(f"Cluster id '{cluster_id}' is not valid.")
        return self.clusters[cluster_id]

    def _is_visible(self, created: float) -> bool:
        return self.clock.seconds - self.lag >= created

    def _read(self, cluster_id: str) -> FakeCluster:
        one = self._cluster(cluster_id)
        if not self._is_visible(one.created):
            raise ClusterNotFoundError(f"Cluster id '{cluster_id}' is not valid.")
        return one

    def _seen(self, one: FakeCluster) -> effects.Cluster:
        state = self.state(one, self.lag)
        code, message = "", ""
        if state == "TERMINATED_WITH_ERRORS":
            code, message = one.fails_with or one.ended_because
        elif state in {"TERMINATING", "TERMINATED"}:
            code, message = one.ended_because
        return effects.Cluster(
            id=one.id,
            name=one.request["Name"],
            state=state,
            created_at=START + timedelta(seconds=one.created),
            reason_code=code,
            reason_message=message,
            ready_at=None if state in STARTING else START + timedelta(seconds=one.created + BOOT_SECONDS),
            ended_at=self._ended_at(one) if state in ENDED else None,
            tags={tag["Key"]: tag["Value"] for tag in one.request["Tags"]} | one.tags,
            log_uri="s3://logs/emr/",
            termination_protected=one.protected,
            step_concurrency_level=one.request.get("StepConcurrencyLevel", 1),
            custom_ami_id=one.request.get("CustomAmiId", ""),
        )

    def _ended_at(self, one: FakeCluster) -> datetime:
        seconds = one.created + BOOT_SECONDS if one.ended_at is None else one.ended_at + END_SECONDS
        return START + timedelta(seconds=seconds)

    def _step(self, cluster: FakeCluster, step: FakeStep) -> effects.Step:
        state = self.step_state(cluster, step, self.lag)
        begun = START + timedelta(seconds=step.created)
        return effects.Step(
            id=step.id,
            name=step.request.name,
            run=step.request.run,
            state=state,
            created_at=begun,
            started_at=begun,
            ended_at=begun + timedelta(seconds=step.seconds) if state in STEP_ENDED else None,
            jar=step.request.jar,
            args=step.request.args,
        )

    # --- the calls ---

    def run_job_flow(self, request: Mapping[str, Any]) -> str:
        with self._call("RunJobFlow"):
            one = FakeCluster(f"j-{len(self.clusters) + 1:04}", request, self.clock.seconds, self.boot_fails)
            one.protected = request["Instances"]["TerminationProtected"]
            self.clusters[one.id] = one
            if not request["Instances"].get("KeepJobFlowAliveWhenNoSteps", True):
                self._plan(one)
        return one.id

    def _plan(self, cluster: FakeCluster) -> None:
        """Let a cluster run the steps of its launch one after the other, and end by itself."""
        begins, failed = cluster.created + BOOT_SECONDS, False
        for raw in cluster.request.get("Steps", []):
            jar = raw["HadoopJarStep"]
            asked = effects.StepRequest(name=raw["Name"], jar=jar["Jar"], args=tuple(jar["Args"]))
            outcome = self.step_outcomes.get(asked.name, "COMPLETED")
            step_id = f"s-{cluster.id[2:]}{len(cluster.steps) + 1:02}"
            step = FakeStep(step_id, asked, cluster.created, self.step_seconds, outcome, begins=begins)
            cluster.steps.append(step)
            if failed:
                step.cancelled_at = begins
                continue
            begins += self.step_seconds
            failed = outcome == "FAILED" and raw["ActionOnFailure"] != "CONTINUE"
        cluster.ended_at = begins
        cluster.ended_because = (
            ("STEP_FAILURE", "Shut down as step failed")
            if failed
            else ("ALL_STEPS_COMPLETED", "Steps completed")
        )

    def describe_cluster(self, cluster_id: str) -> effects.Cluster:
        with self._call("DescribeCluster"):
            return self._seen(self._read(cluster_id))

    def list_clusters(
        self, states: Iterable[str], created_after: datetime | None = None
    ) -> list[effects.ClusterSummary]:
        assert created_after is None
        with self._call("ListClusters"):
            wanted = set(states)
            seen = [self._seen(one) for one in self.clusters.values() if self._is_visible(one.created)]
            return [
                effects.ClusterSummary(id=one.id, name=one.name, state=one.state, created_at=one.created_at)
                for one in seen
                if one.state in wanted
            ]

    def release_applications(self, label: str) -> tuple[str, ...] | None:
        with self._call("release_applications"):
            return self.releases.get(label)

    def supported_instance_types(self, label: str) -> frozenset[str]:
        with self._call("supported_instance_types"):
            return self.instance_types if label in self.releases else frozenset()

    def list_instances(self, cluster_id: str) -> list[effects.Instance]:
        with self._call("ListInstances"):
            return self.nodes.get(cluster_id, [])

    def add_steps(self, cluster_id: str, steps: Sequence[effects.StepRequest]) -> list[str]:
        with self._call("AddJobFlowSteps"):
            cluster = self._cluster(cluster_id)
            if self.state(cluster) in ENDED | {"TERMINATING"}:
                raise AwsError("may not be modified", code="ValidationException", operation="AddJobFlowSteps")
            added = []
            for request in steps:
                outcome = self.step_outcomes.get(request.name, "COMPLETED")
                step_id = f"s-{cluster.id[2:]}{len(cluster.steps) + 1:02}"
                step = FakeStep(step_id, request, self.clock.seconds, self.step_seconds, outcome)
                cluster.steps.append(step)
                added.append(step.id)
        return added

    def list_steps(
        self, cluster_id: str, step_ids: Sequence[str] = (), *, active: bool = False
    ) -> list[effects.Step]:
        assert len(step_ids) <= 10
        assert not (step_ids and active)
        with self._call("ListSteps"):
            cluster = self._read(cluster_id)
            seen = [step for step in cluster.steps if self._is_visible(step.created)]
            for step_id in step_ids:
                if step_id not in {step.id for step in seen}:
                    raise StepNotFoundError(f"Step id '{step_id}' is not valid.")
            found = [self._step(cluster, step) for step in seen if not step_ids or step.id in step_ids]
            return [one for one in found if not active or one.state not in STEP_ENDED]

    def cancel_steps(self, cluster_id: str, step_ids: Sequence[str], *, force: bool = False) -> None:
        assert len(step_ids) <= 256
        with self._call("CancelSteps"):
            ignored = self.ignores_cancel or (self.ignores_interrupt and not force)
            for step in self._cluster(cluster_id).steps:
                if step.id in step_ids and step.cancelled_at is None and not ignored:
                    step.cancelled_at = self.clock.seconds

    def terminate_cluster(self, cluster_id: str) -> None:
        with self._call("TerminateJobFlows"):
            one = self._cluster(cluster_id)
            if one.protected:
                raise AwsError(
                    "termination protected", code="ValidationException", operation="TerminateJobFlows"
                )
            is_later = one.ended_at is None or one.ended_at > self.clock.seconds
            if is_later and self.state(one) not in ENDED:
                one.ended_at, one.ended_because = self.clock.seconds, BY_USER

    def set_termination_protection(self, cluster_id: str, *, protected: bool) -> None:
        with self._call("SetTerminationProtection"):
            self._cluster(cluster_id).protected = protected

    def get_object(
        self, uri: str, *, most_bytes: int = effects.MOST_BYTES, from_end: bool = False
    ) -> effects.StoredObject | None:
        with self._call("GetObject"):
            body = self.objects.get(uri)
            if body is None:
                return None
            part = body[max(0, len(body) - most_bytes) :] if from_end else body[:most_bytes]
            read_at = None if self.s3_ahead is None else self.clock.now() + self.s3_ahead
            return effects.StoredObject(body=part, etag=etag(body), size=len(body), read_at=read_at)

    def put_object(self, uri: str, body: bytes, *, replaces: str | None) -> str:
        with self._call("PutObject"):
            there = self.objects.get(uri)
            if (None if there is None else etag(there)) != replaces:
                raise ConditionFailedError("412", code="PreconditionFailed", operation="PutObject")
            self.objects[uri] = body
            self.modified[uri] = self.clock.now()
        return etag(body)

    def list_objects(self, uri: str, *, most: int = effects.MOST_OBJECTS) -> list[effects.ObjectSummary]:
        with self._call("ListObjectsV2"):
            found = [
                effects.ObjectSummary(uri=key, size=len(body), modified_at=self.modified.get(key, START))
                for key, body in self.objects.items()
                if key.startswith(uri)
            ]
            return found[:most]

    def list_instance_groups(self, cluster_id: str) -> list[effects.Group]:
        with self._call("ListInstanceGroups"):
            asked = self._read(cluster_id).request["Instances"]["InstanceGroups"]
            running = [node.group for node in self.nodes.get(cluster_id, []) if node.state == "RUNNING"]
            return [
                effects.Group(
                    id=f"ig-{one['InstanceRole']}",
                    kind=one["InstanceRole"],
                    state="RUNNING",
                    requested=one["InstanceCount"],
                    running=running.count(one["InstanceRole"]) if running else one["InstanceCount"],
                    market=one["Market"],
                )
                for one in asked
            ]

    def list_lost_instances(self, cluster_id: str) -> list[effects.LostInstance]:
        with self._call("ListInstances"):
            self._read(cluster_id)
            return self.lost.get(cluster_id, [])

    def add_tags(self, cluster_id: str, tags: Mapping[str, str]) -> None:
        with self._call("AddTags"):
            self._cluster(cluster_id).tags.update(tags)

    def set_idle_timeout(self, cluster_id: str, seconds: int) -> None:
        with self._call("PutAutoTerminationPolicy"):
            self._cluster(cluster_id).idle_seconds = seconds

    def find_instances(self, filters: Mapping[str, Sequence[str]]) -> list[effects.Ec2Instance]:
        with self._call("DescribeInstances"):
            states = filters.get("instance-state-name", INSTANCE_STATES)
            wanted = {name[4:]: values for name, values in filters.items() if name.startswith("tag:")}
            return [
                one
                for one in self.instances.values()
                if one.state in states
                and one.id in filters.get("instance-id", [one.id])
                and (not (keys := filters.get("tag-key")) or not one.tags.keys().isdisjoint(keys))
                and all(one.tags.get(key) in values for key, values in wanted.items())
            ]

    def console_output(self, instance_id: str, *, latest: bool) -> str:
        with self._call("GetConsoleOutput"):
            return self.consoles.get((instance_id, latest), "")

    def terminate_instances(self, instance_ids: Sequence[str]) -> None:
        with self._call("TerminateInstances"):
            for one in instance_ids:
                self.instances[one] = msgspec.structs.replace(self.instances[one], state="terminated")

    def find_images(self, owner: str, filters: Mapping[str, Sequence[str]]) -> list[effects.Image]:
        with self._call("DescribeImages"):
            wanted = {name[4:]: values for name, values in filters.items() if name.startswith("tag:")}
            return [
                one
                for one in self.images.get(owner, [])
                if all(one.tags.get(key) in values for key, values in wanted.items())
                and one.state in filters.get("state", [one.state])
                and any(fnmatchcase(one.name, pattern) for pattern in filters.get("name", ["*"]))
            ]

    def tag_resources(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        with self._call("CreateTags"):
            for owner, images in self.images.items():
                self.images[owner] = [
                    msgspec.structs.replace(one, tags={**one.tags, **tags}) if one.id in ids else one
                    for one in images
                ]

    def deregister_image(self, image_id: str) -> None:
        with self._call("DeregisterImage"):
            own = self.images.get("self", [])
            self.images["self"] = [one for one in own if one.id != image_id]

    def delete_snapshot(self, snapshot_id: str) -> None:
        with self._call("DeleteSnapshot"):
            self.snapshots.discard(snapshot_id)

    def receive_messages(self, queue_url: str, wait_seconds: int) -> list[effects.Message]:
        with self._call("ReceiveMessage"):
            if not self.queues.get(queue_url):
                self.clock.wait(wait_seconds, threading.Event())
            return self.queues.get(queue_url, [])[:10]

    def delete_messages(self, queue_url: str, receipts: Sequence[str]) -> None:
        with self._call("DeleteMessageBatch"):
            held = self.queues.get(queue_url, [])
            self.queues[queue_url] = [one for one in held if one.receipt not in receipts]

    def publish(self, topic_arn: str, subject: str, text: str) -> None:
        with self._call("Publish"):
            self.published.append((topic_arn, subject, text))

    def create_log_stream(self, group: str, stream: str) -> None:
        with self._call("CreateLogStream"):
            self.log_streams.setdefault((group, stream), [])

    def put_log_events(self, group: str, stream: str, events: Sequence[effects.LogEvent]) -> None:
        with self._call("PutLogEvents"):
            self.log_streams[group, stream].append(list(events))

    def has_database(self, name: str) -> bool:
        with self._call("GetDatabase"):
            return name in self.databases

    def create_database(self, name: str) -> None:
        with self._call("CreateDatabase"):
            self.databases.add(name)

    def get_table(self, database: str, name: str) -> effects.CatalogTable | None:
        with self._call("GetTable"):
            return self.tables.get((database, name))

    def create_table(self, table: effects.CatalogTable) -> None:
        with self._call("CreateTable"):
            self.tables.setdefault((table.database, table.name), table)

    def update_table(self, table: effects.CatalogTable) -> None:
        with self._call("UpdateTable"):
            self.tables[table.database, table.name] = table

    def get_partition(
        self, database: str, table: str, values: Sequence[str]
    ) -> effects.CatalogPartition | None:
        with self._call("GetPartition"):
            return self.partitions.get((database, table, tuple(values)))

    def create_partition(self, partition: effects.CatalogPartition) -> None:
        with self._call("CreatePartition"):
            self.partitions.setdefault((partition.database, partition.table, partition.values), partition)

    def update_partition(self, partition: effects.CatalogPartition) -> None:
        with self._call("UpdatePartition"):
            self.partitions[partition.database, partition.table, partition.values] = partition

    def caller_identity(self) -> str:
        with self._call("GetCallerIdentity"):
            return "arn:aws:iam::123456789012:user/ops"


ENDED = {"TERMINATED", "TERMINATED_WITH_ERRORS"}
STARTING = {"STARTING", "BOOTSTRAPPING"}
INSTANCE_STATES = ("pending", "running", "shutting-down", "terminated", "stopping", "stopped")
STEP_ENDED = {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}


def etag(body: bytes) -> str:
    return f"{len(body)}-{zlib.crc32(body):08x}"


class FakePlaybooks:
    """Does what the playbooks do to AWS. Provision and deploy do nothing there, and change something once."""

    def __init__(self, context: Any, identity: Any, ledger: Any, wanted: ClusterShape) -> None:
        self.context, self.identity, self.ledger, self.shape = context, identity, ledger, wanted
        self.ran: list[str] = []
        self.arguments: list[list[str]] = []
        self.seconds: dict[str, float] = {}
        self.fail: dict[str, PlaybookError] = {}
        self.during: dict[str, Callable[[], None]] = {}
        # Whether the driver does not hear of the cluster that a launch has come to.
        self.hides_cluster = False
        # Of the pipeline, for a cluster that ends by itself.
        self.steps: Sequence[StepSettings] = ()

    def run(self, phase: Phase, arguments: list[str], supervision: Supervision) -> bool:
        assert isinstance(arguments, list)
        supervision.stop.check()
        name, changed = phase.name, phase.name not in self.ran
        self.ran.append(name)
        self.arguments.append(arguments)
        supervision.tick()
        if phase.launches:
            changed = self.launch(supervision, arguments)
        self.during.get(name, lambda: None)()
        taken = self.seconds.get(name, 0.0)
        self.context.clock.wait(min(taken, supervision.seconds), supervision.stop.event)
        if taken > supervision.seconds:
            raise DeadlineError("late")
        if name in self.fail:
            raise self.fail[name]
        supervision.reporter.line(f"{name} worked")
        return changed

    def close(self) -> None:
        pass

    def launch(self, supervision: Supervision, arguments: Sequence[str] = ()) -> bool:
        given = [json.loads(one) for one in arguments if LAUNCHED_STEPS in one]
        names = given[-1][LAUNCHED_STEPS] if given else []
        steps = [one for one in self.steps if not names or one.name in names]
        try:
            found, new = launch.launch(self.context, self.identity, self.shape, self.ledger, steps)
        except KilnError as error:
            if error.cluster_id:
                supervision.on_cluster(error.cluster_id)
            raise
        if not self.hides_cluster:
            supervision.on_cluster(found.id)
        waiting = Waiting(timeout_seconds=600, interval_seconds=5)
        launch.wait_until_up(self.context, found.id, waiting)
        return new


class Silence:
    """A reporter that keeps what was reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []

    @contextmanager
    def phase(self, name: str) -> Any:
        self.lines.append(name)
        yield

    def line(self, text: str) -> None:
        self.lines.append(text)

    def now(self, text: str) -> None:
        self.notes.append(text)

    def tick(self) -> None:
        pass

    def close(self) -> None:
        pass
