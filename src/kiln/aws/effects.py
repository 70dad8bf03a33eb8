"""The interface to AWS: every effect of kiln is a method here, and every answer a small frozen value.

The implementation by boto3 is `kiln.aws.boto.Boto`; unit tests use a fake. All methods raise errors of
`kiln.errors`: `ThrottledError`, `UnansweredError` (the effect may have happened), `ClusterNotFoundError`,
`PreflightError` (no credentials), else `AwsError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the answers."""


class ClusterSummary(Value, frozen=True, kw_only=True):
    """A cluster as ListClusters shows it: without tags."""

    id: str
    name: str
    state: str
    created_at: datetime


class Cluster(ClusterSummary, frozen=True, kw_only=True):
    """A cluster as DescribeCluster shows it."""

    reason_code: str = ""
    reason_message: str = ""
    detail_codes: tuple[str, ...] = ()
    detail_messages: tuple[str, ...] = ()
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    tags: Mapping[str, str]
    log_uri: str = ""
    # Name or ARN of the profile whose role the nodes have.
    instance_profile: str = ""
    master_public_dns_name: str = ""
    release_label: str = ""
    termination_protected: bool = False
    # How many steps run side by side.
    step_concurrency_level: int = 1
    # The AMI that its nodes are launched from; empty for the release's own.
    custom_ami_id: str = ""


class Instance(Value, frozen=True, kw_only=True):
    """A node of a cluster. `group` is MASTER, CORE or TASK."""

    id: str
    ec2_instance_id: str
    private_ip_address: str
    group: str
    state: str


class LostInstance(Value, frozen=True, kw_only=True):
    """A node that ended otherwise than with its cluster or by a resize; `market` is SPOT or ON_DEMAND."""

    id: str
    ec2_instance_id: str
    group_id: str
    market: str = ""
    ended_at: datetime | None = None


class Group(Value, frozen=True, kw_only=True):
    """An instance group: `kind` is MASTER, CORE or TASK.

    Also an instance fleet, as existing clusters may have: counts are its units, and it has no market.
    """

    id: str
    kind: str
    state: str
    requested: int
    running: int
    market: str = ""


class Ec2Instance(Value, frozen=True, kw_only=True):
    """An instance as EC2's DescribeInstances shows it."""

    id: str
    state: str
    launched_at: datetime
    private_ip_address: str
    tags: Mapping[str, str]
    # Why it ended, such as `Server.SpotInstanceTermination`.
    reason_code: str = ""
    image_id: str = ""


class Image(Value, frozen=True, kw_only=True):
    """An AMI. `snapshot_ids` are those of its volumes; `is_encrypted`: all of them are."""

    id: str
    name: str
    state: str
    created_at: datetime
    tags: Mapping[str, str]
    snapshot_ids: tuple[str, ...] = ()
    is_encrypted: bool = False
    is_public: bool = False


class Message(Value, frozen=True, kw_only=True):
    """A message of an SQS queue, and the receipt that deletes it."""

    body: str
    receipt: str


class LogEvent(NamedTuple):
    """A line of a log stream, and its time since 1970 in UTC."""

    milliseconds: int
    message: str


class StepRequest(Value, frozen=True, kw_only=True):
    """A step to add. `action_on_failure` is always sent (docs/aws_facts.md 1.4).

    `run` is the label of the run (kiln.identity) on a cluster that several runs use, else empty.
    """

    name: str
    run: str = ""
    jar: str
    args: tuple[str, ...]
    action_on_failure: str = "CONTINUE"


class Step(Value, frozen=True, kw_only=True):
    """A step as ListSteps shows it. `run` is the label of the run that added it to a shared cluster."""

    id: str
    name: str
    run: str = ""
    state: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    jar: str = ""
    args: tuple[str, ...] = ()
    failure_reason: str = ""
    failure_message: str = ""
    failure_log: str = ""


# How many bytes of an object are read by default: more than any ledger has.
MOST_BYTES = 8 * 1024 * 1024
# How many objects are listed by default: 20 pages, some seconds.
MOST_OBJECTS = 20_000


class StoredObject(Value, frozen=True, kw_only=True):
    """An S3 object with the ETag that a conditional write needs.

    `body` may be a part of it; `size` is the whole in bytes. `read_at` is S3's own time of the answer.
    """

    body: bytes
    etag: str
    size: int
    read_at: datetime | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether `body` is the whole object."""
        return len(self.body) == self.size


class ObjectSummary(Value, frozen=True, kw_only=True):
    """An object as ListObjectsV2 shows it. `uri` is `s3://bucket/key`, `size` is bytes."""

    uri: str
    size: int
    modified_at: datetime


# Names and types of columns, in order.
Columns: TypeAlias = tuple[tuple[str, str], ...]


class CatalogTable(Value, frozen=True, kw_only=True):
    """A table of Parquet files in the Glue Data Catalog. `is_managed`: Kiln has made it."""

    database: str
    name: str
    location: str
    columns: Columns
    # Those that each partition has one value of.
    partition_keys: Columns = ()
    is_managed: bool = False


class CatalogPartition(Value, frozen=True, kw_only=True):
    """A partition of a table, by the values of its keys."""

    database: str
    table: str
    values: tuple[str, ...]
    location: str
    columns: Columns


class Effects(Protocol):
    """All that kiln does to AWS or asks of it."""

    def run_job_flow(self, request: Mapping[str, Any]) -> str:
        """Launch a cluster and return its id. There is no idempotency token (docs/aws_facts.md 1.7)."""

    def describe_cluster(self, cluster_id: str) -> Cluster:
        """Return one cluster."""

    def list_clusters(
        self, states: Iterable[str], created_after: datetime | None = None
    ) -> list[ClusterSummary]:
        """Return all clusters in these states; unsorted, all pages."""

    def release_applications(self, label: str) -> tuple[str, ...] | None:
        """Return the applications of an EMR release, or None when the region has no such release."""

    def supported_instance_types(self, label: str) -> frozenset[str]:
        """Return the instance types that an EMR release runs on in the region; all pages."""

    def list_instances(self, cluster_id: str) -> list[Instance]:
        """Return the active nodes."""

    def add_steps(self, cluster_id: str, steps: Sequence[StepRequest]) -> list[str]:
        """Add steps and return their ids, in order. There is no idempotency token."""

    def list_steps(
        self, cluster_id: str, step_ids: Sequence[str] = (), *, active: bool = False
    ) -> list[Step]:
        """Return the given steps (at most 10 ids a call, as the API has it), or all, oldest first.

        `active`: only those that have not ended; not together with ids (docs/aws_facts.md 1.5).
        """

    def cancel_steps(self, cluster_id: str, step_ids: Sequence[str], *, force: bool = False) -> None:
        """Ask for the end of steps; asynchronous, without guarantee. At most 256 ids a call.

        EMR sends SIGTERM to a running step's process; with `force` SIGKILL to it and its descendants
        (docs/aws_facts.md 1.5).
        """

    def terminate_cluster(self, cluster_id: str) -> None:
        """Ask for the end of a cluster; asynchronous, harmless on an ended one."""

    def set_termination_protection(self, cluster_id: str, *, protected: bool) -> None:
        """Switch termination protection."""

    def get_object(
        self, uri: str, *, most_bytes: int = MOST_BYTES, from_end: bool = False
    ) -> StoredObject | None:
        """Return an S3 object, or None when it is not there.

        At most the first `most_bytes` of it are read; with `from_end` the last ones.
        """

    def put_object(self, uri: str, body: bytes, *, replaces: str | None) -> str:
        """Write an S3 object and return its ETag.

        `replaces` is the ETag of the version that must be there now, None when nothing may be there. Raises
        ConditionFailedError when that does not hold.
        """

    def list_objects(self, uri: str, *, most: int = MOST_OBJECTS) -> list[ObjectSummary]:
        """Return the objects below a prefix, by name; no more than the first `most`."""

    def list_instance_groups(self, cluster_id: str) -> list[Group]:
        """Return the instance groups, or fleets, with their requested and running counts."""

    def list_lost_instances(self, cluster_id: str) -> list[LostInstance]:
        """Return the nodes that failed, of the last 30 days (docs/aws_facts.md 1.2)."""

    def add_tags(self, cluster_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a cluster; those of the same names are replaced."""

    def set_idle_timeout(self, cluster_id: str, seconds: int) -> None:
        """Let EMR end the cluster by itself after this time without work, 60 to 604800 seconds."""

    def find_instances(self, filters: Mapping[str, Sequence[str]]) -> list[Ec2Instance]:
        """Return EC2 instances by EC2's own filters (`tag:KEY`, `instance-state-name`), all pages."""

    def console_output(self, instance_id: str, *, latest: bool) -> str:
        """Return up to 64 KB of what an instance has printed on its console; empty when EC2 has nothing.

        `latest`: what it shows now, on types with the Nitro hypervisor only; else what EC2 has kept from the
        time after its start (EC2 API Reference, GetConsoleOutput).
        """

    def terminate_instances(self, instance_ids: Sequence[str]) -> None:
        """Ask for the end of EC2 instances; asynchronous, harmless on ended ones."""

    def find_images(self, owner: str, filters: Mapping[str, Sequence[str]]) -> list[Image]:
        """Return the AMIs of an owner (`self`, `amazon`, an account) by EC2's own filters, all pages."""

    def tag_resources(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Set tags of EC2's things; those of the same names are replaced."""

    def deregister_image(self, image_id: str) -> None:
        """Remove an AMI, not its snapshots; harmless on one that is gone."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot that no AMI uses; harmless on one that is gone."""

    def receive_messages(self, queue_url: str, wait_seconds: int) -> list[Message]:
        """Return messages of an SQS queue; waits up to 20 s for the first.

        One that is not deleted comes again.
        """

    def delete_messages(self, queue_url: str, receipts: Sequence[str]) -> None:
        """Remove up to 10 messages from a queue."""

    def publish(self, topic_arn: str, subject: str, text: str) -> None:
        """Send a message to an SNS topic, in the topic's own region. There is no idempotency token."""

    def create_log_stream(self, group: str, stream: str) -> None:
        """Make a stream in a group of CloudWatch Logs; harmless when it is there."""

    def put_log_events(self, group: str, stream: str, events: Sequence[LogEvent]) -> None:
        """Write to a log stream, within the limits of diagnosis.log_stream. There is no idempotency token."""

    def has_database(self, name: str) -> bool:
        """Return whether the Glue Data Catalog has a database."""

    def create_database(self, name: str) -> None:
        """Make a database of the catalog; harmless when it is there."""

    def get_table(self, database: str, name: str) -> CatalogTable | None:
        """Return a table of the catalog, or None when it is not there."""

    def create_table(self, table: CatalogTable) -> None:
        """Make a table; one that is there is left as it is."""

    def update_table(self, table: CatalogTable) -> None:
        """Replace the definition of a table."""

    def get_partition(self, database: str, table: str, values: Sequence[str]) -> CatalogPartition | None:
        """Return a partition of a table, or None when it is not there."""

    def create_partition(self, partition: CatalogPartition) -> None:
        """Make a partition; one that is there is left as it is."""

    def update_partition(self, partition: CatalogPartition) -> None:
        """Replace the definition of a partition."""

    def caller_identity(self) -> str:
        """Return the ARN that AWS knows the caller by."""
