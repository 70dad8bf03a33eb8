"""The one place that repeats calls to AWS: botocore makes one attempt of each (docs/decisions/0010)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from kiln.aws.effects import MOST_BYTES, MOST_OBJECTS
from kiln.aws.operations import (
    CREATE_SECONDS,
    FIRST_CONTACT_SECONDS,
    OPERATIONS,
    THROTTLED_SECONDS,
    UNANSWERED_SECONDS,
    Repeat,
)
from kiln.aws.quotas import PAGE
from kiln.errors import ConditionFailedError, KilnError, ThrottledError, UnansweredError, UnreachableError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from kiln.aws import effects
    from kiln.aws.tokens import Tokens
    from kiln.clock import Clock
    from kiln.stop import Stop

T = TypeVar("T")


# A shorter disturbance is not worth a line.
_REPORT_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 20.0
_JITTER = 0.2


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """`kiln.aws.effects.Effects` around another implementation.

    `ends_at` is the caller's deadline on the monotonic clock: nothing is repeated after it. `reached` is set
    with AWS's first answer. `guard` may refuse a try of an operation. With `tokens` a call waits for its turn
    among those of the host, within its deadline. Raises what the inner implementation and the guard raise,
    and InterruptedRunError when a stop is requested while a call is being repeated; a call that begins after
    the request is not interrupted.
    """

    inner: effects.Effects
    clock: Clock
    stop: Stop
    report: Callable[[str], None]
    random: random.Random
    ends_at: float
    reached: threading.Event
    guard: Callable[[str], None]
    tokens: Tokens | None = None

    def _ask(self, operation: str, call: Callable[[], T]) -> T:
        started, pause, reported = self.clock.monotonic(), _FIRST_PAUSE_SECONDS, False
        # The teardown works after a stop was requested: nothing ends it, and its pauses are real ones.
        stop = None if self.stop.event.is_set() else self.stop
        while True:
            self.guard(operation)
            try:
                self._take_token(operation, started, stop)
                answer = call()
            except (ThrottledError, UnansweredError) as error:
                now = self.clock.monotonic()
                left = min(started + self._seconds(operation, error), self.ends_at) - now
                if left <= 0:
                    raise
                if not reported and now - started >= _REPORT_SECONDS:
                    self.report(f"{error.message}; asking again")
                    reported = True
            except KilnError:
                self.reached.set()
                raise
            else:
                self.reached.set()
                return answer
            self._pause(min(pause * self.random.uniform(1 - _JITTER, 1 + _JITTER), left), stop)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _take_token(self, operation: str, started: float, stop: Stop | None) -> None:
        """Wait until the account's quota allows the call. Raises ShareUsedError when that is too late."""
        if self.tokens is None:
            return
        longest = min(started + self._throttled_seconds(operation), self.ends_at)
        seconds = self.tokens.take(operation, longest - self.clock.monotonic())
        if seconds > 0:
            self._pause(seconds, stop)

    def _pause(self, seconds: float, stop: Stop | None) -> None:
        if stop is None:
            self.clock.wait(seconds, threading.Event())
            return
        stop.check()
        self.clock.wait(seconds, stop.event)
        stop.check()

    def _seconds(self, operation: str, error: KilnError) -> float:
        """Return for how long a call is repeated after such an error; 0 = not at all."""
        if isinstance(error, ThrottledError):
            self.reached.set()
            return self._throttled_seconds(operation)
        creates = OPERATIONS[operation].repeat is Repeat.WITHOUT_EFFECT
        if isinstance(error, UnreachableError):
            if not self.reached.is_set():
                return FIRST_CONTACT_SECONDS
            return CREATE_SECONDS if creates else UNANSWERED_SECONDS
        return 0.0 if creates else UNANSWERED_SECONDS

    def _throttled_seconds(self, operation: str) -> float:
        creates = OPERATIONS[operation].repeat is Repeat.WITHOUT_EFFECT
        return CREATE_SECONDS if creates else THROTTLED_SECONDS

    def _paged(self, operation: str, found: list[T]) -> list[T]:
        """Take the tokens of the pages after the first: how many there are is known afterwards only."""
        if self.tokens is not None:
            self.tokens.charge(operation, (len(found) - 1) // PAGE)
        return found

    def run_job_flow(self, request: Mapping[str, Any]) -> str:
        """Launch a cluster."""
        return self._ask("run_job_flow", lambda: self.inner.run_job_flow(request))

    def add_steps(self, cluster_id: str, steps: Sequence[effects.StepRequest]) -> list[str]:
        """Add steps."""
        return self._ask("add_steps", lambda: self.inner.add_steps(cluster_id, steps))

    def put_object(self, uri: str, body: bytes, *, replaces: str | None) -> str:
        """Write an object; after a lost answer a read decides whether that happened."""

        def write() -> str:
            try:
                return self.inner.put_object(uri, body, replaces=replaces)
            except UnreachableError:  # it was not sent
                raise
            except UnansweredError:
                there = self.get_object(uri)
                if there is not None and there.body == body:
                    return there.etag
                if (there.etag if there else None) != replaces:
                    raise ConditionFailedError(
                        f"{uri} was changed while a write to it got no answer",
                        code="PreconditionFailed",
                        operation="PutObject",
                    ) from None
                raise

        return self._ask("put_object", write)

    def describe_cluster(self, cluster_id: str) -> effects.Cluster:
        """Return one cluster."""
        return self._ask("describe_cluster", lambda: self.inner.describe_cluster(cluster_id))

    def list_clusters(
        self, states: Iterable[str], created_after: datetime | None = None
    ) -> list[effects.ClusterSummary]:
        """Return all clusters in these states."""
        wanted = tuple(states)
        found = self._ask("list_clusters", lambda: self.inner.list_clusters(wanted, created_after))
        return self._paged("list_clusters", found)

    def release_applications(self, label: str) -> tuple[str, ...] | None:
        """Return the applications of a release."""
        return self._ask("release_applications", lambda: self.inner.release_applications(label))

    def supported_instance_types(self, label: str) -> frozenset[str]:
        """Return the instance types of a release."""
        return self._ask("supported_instance_types", lambda: self.inner.supported_instance_types(label))

    def list_instances(self, cluster_id: str) -> list[effects.Instance]:
        """Return the active nodes."""
        return self._ask("list_instances", lambda: self.inner.list_instances(cluster_id))

    def list_steps(
        self, cluster_id: str, step_ids: Sequence[str] = (), *, active: bool = False
    ) -> list[effects.Step]:
        """Return the given steps, or all; with `active` those that have not ended."""
        found = self._ask("list_steps", lambda: self.inner.list_steps(cluster_id, step_ids, active=active))
        return self._paged("list_steps", found)

    def cancel_steps(self, cluster_id: str, step_ids: Sequence[str], *, force: bool = False) -> None:
        """Ask for the end of steps."""
        self._ask("cancel_steps", lambda: self.inner.cancel_steps(cluster_id, step_ids, force=force))

    def terminate_cluster(self, cluster_id: str) -> None:
        """Ask for the end of a cluster."""
        self._ask("terminate_cluster", lambda: self.inner.terminate_cluster(cluster_id))

    def set_termination_protection(self, cluster_id: str, *, protected: bool) -> None:
        """Switch termination protection."""
        self._ask(
            "set_termination_protection",
            lambda: self.inner.set_termination_protection(cluster_id, protected=protected),
        )

    def get_object(
        self, uri: str, *, most_bytes: int = MOST_BYTES, from_end: bool = False
    ) -> effects.StoredObject | None:
        """Return an S3 object, or None when it is not there."""
        return self._ask(
            "get_object", lambda: self.inner.get_object(uri, most_bytes=most_bytes, from_end=from_end)
        )

    def list_objects(self, uri: str, *, most: int = MOST_OBJECTS) -> list[effects.ObjectSummary]:
        """Return the objects below a prefix."""
        return self._ask("list_objects", lambda: self.inner.list_objects(uri, most=most))

    def list_instance_groups(self, cluster_id: str) -> list[effects.Group]:
        """Return the instance groups."""
        return self._ask("list_instance_groups", lambda: self.inner.list_instance_groups(cluster_id))

    def list_lost_instances(self, cluster_id: str) -> list[effects.LostInstance]:
        """Return the nodes that failed."""
        return self._ask("list_lost_instances", lambda: self.inner.list_lost_instances(cluster_id))

    def add_tags(self, cluster_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a cluster."""
        self._ask("add_tags", lambda: self.inner.add_tags(cluster_id, tags))

    def set_idle_timeout(self, cluster_id: str, seconds: int) -> None:
        """Set the auto-termination policy."""
        self._ask("set_idle_timeout", lambda: self.inner.set_idle_timeout(cluster_id, seconds))

    def find_instances(self, filters: Mapping[str, Sequence[str]]) -> list[effects.Ec2Instance]:
        """Return EC2 instances."""
        return self._ask("find_instances", lambda: self.inner.find_instances(filters))

    def console_output(self, instance_id: str, *, latest: bool) -> str:
        """Return the end of an instance's console."""
        return self._ask("console_output", lambda: self.inner.console_output(instance_id, latest=latest))

    def terminate_instances(self, instance_ids: Sequence[str]) -> None:
        """Ask for the end of EC2 instances."""
        self._ask("terminate_instances", lambda: self.inner.terminate_instances(instance_ids))

    def find_images(self, owner: str, filters: Mapping[str, Sequence[str]]) -> list[effects.Image]:
        """Return AMIs."""
        return self._ask("find_images", lambda: self.inner.find_images(owner, filters))

    def tag_resources(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Set tags of EC2's things."""
        self._ask("tag_resources", lambda: self.inner.tag_resources(ids, tags))

    def deregister_image(self, image_id: str) -> None:
        """Remove an AMI."""
        self._ask("deregister_image", lambda: self.inner.deregister_image(image_id))

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot."""
        self._ask("delete_snapshot", lambda: self.inner.delete_snapshot(snapshot_id))

    def receive_messages(self, queue_url: str, wait_seconds: int) -> list[effects.Message]:
        """Return messages of a queue."""
        return self._ask("receive_messages", lambda: self.inner.receive_messages(queue_url, wait_seconds))

    def delete_messages(self, queue_url: str, receipts: Sequence[str]) -> None:
        """Remove messages from a queue."""
        self._ask("delete_messages", lambda: self.inner.delete_messages(queue_url, receipts))

    def publish(self, topic_arn: str, subject: str, text: str) -> None:
        """Send a message to an SNS topic."""
        self._ask("publish", lambda: self.inner.publish(topic_arn, subject, text))

    def create_log_stream(self, group: str, stream: str) -> None:
        """Make a log stream."""
        self._ask("create_log_stream", lambda: self.inner.create_log_stream(group, stream))

    def put_log_events(self, group: str, stream: str, events: Sequence[effects.LogEvent]) -> None:
        """Write to a log stream."""
        self._ask("put_log_events", lambda: self.inner.put_log_events(group, stream, events))

    def has_database(self, name: str) -> bool:
        """Return whether the catalog has a database."""
        return self._ask("has_database", lambda: self.inner.has_database(name))

    def create_database(self, name: str) -> None:
        """Make a database."""
        self._ask("create_database", lambda: self.inner.create_database(name))

    def get_table(self, database: str, name: str) -> effects.CatalogTable | None:
        """Return a table."""
        return self._ask("get_table", lambda: self.inner.get_table(database, name))

    def create_table(self, table: effects.CatalogTable) -> None:
        """Make a table."""
        self._ask("create_table", lambda: self.inner.create_table(table))

    def update_table(self, table: effects.CatalogTable) -> None:
        """Replace the definition of a table."""
        self._ask("update_table", lambda: self.inner.update_table(table))

    def get_partition(
        self, database: str, table: str, values: Sequence[str]
    ) -> effects.CatalogPartition | None:
        """Return a partition."""
        return self._ask("get_partition", lambda: self.inner.get_partition(database, table, values))

    def create_partition(self, partition: effects.CatalogPartition) -> None:
        """Make a partition."""
        self._ask("create_partition", lambda: self.inner.create_partition(partition))

    def update_partition(self, partition: effects.CatalogPartition) -> None:
        """Replace the definition of a partition."""
        self._ask("update_partition", lambda: self.inner.update_partition(partition))

    def caller_identity(self) -> str:
        """Return the ARN that AWS knows the caller by."""
        return self._ask("caller_identity", self.inner.caller_identity)
