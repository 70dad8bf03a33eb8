"""The real effects, through boto3: one attempt of each call, kiln.aws.retrying repeats."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore import exceptions as aws
from botocore.config import Config
from botocore.parsers import ResponseParserError

from kiln.aws import convert, effects, session
from kiln.aws.translate import translate
from kiln.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

# All that botocore raises for a call.
_FAILURES = (aws.BotoCoreError, aws.ClientError, ResponseParserError)
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=30)


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of `s3://bucket/key`."""
    parts = urlsplit(uri, allow_fragments=False)
    return parts.netloc, uri.partition(parts.netloc + "/")[2]


class Boto:
    """`kiln.aws.effects.Effects` on the account that a profile stands for.

    An empty `profile` means botocore's usual chain (environment, instance role). With `config_file` only
    that file is read, so that nothing of the caller's own ~/.aws is used by mistake.
    """

    def __init__(self, *, region: str, profile: str = "", config_file: Path | None = None) -> None:
        core = session.core_of(profile, config_file)
        self._session = session.session_of(core, region, profile, config_file)
        # Passed explicitly, so that an AWS_ENDPOINT_URL of the caller's shell cannot send the keys elsewhere.
        self._endpoint = core.get_scoped_config().get("endpoint_url") if config_file else None

    @cached_property
    def _emr(self) -> Any:
        return self._client("emr")

    @cached_property
    def _s3(self) -> Any:
        return self._client("s3")

    def _client(self, service: str) -> Any:
        try:
            # Any: the service is a variable here, and the typed clients have one overload a service.
            factory: Any = self._session.client
            return factory(service, config=_CONFIG, endpoint_url=self._endpoint)
        except aws.BotoCoreError as error:
            raise translate(error, f"a client for {service}", "") from error

    def _call(self, client: Any, operation: str, **parameters: Any) -> Any:
        try:
            return getattr(client, operation)(**parameters)
        except _FAILURES as error:
            name = client.meta.method_to_api_mapping[operation]
            raise translate(error, name, client.meta.endpoint_url) from error

    def _pages(self, client: Any, operation: str, **parameters: Any) -> list[Any]:
        def read(**kwargs: Any) -> list[Any]:
            return list(client.get_paginator(operation).paginate(**kwargs))

        return self._guarded(read, client, operation, **parameters)

    def _guarded(
        self, function: Callable[..., list[Any]], client: Any, operation: str, **parameters: Any
    ) -> list[Any]:
        try:
            return function(**parameters)
        except _FAILURES as error:
            name = client.meta.method_to_api_mapping[operation]
            raise translate(error, name, client.meta.endpoint_url) from error

    def run_job_flow(self, request: Mapping[str, Any]) -> str:
        """Launch a cluster."""
        return convert.cluster_id(self._call(self._emr, "run_job_flow", **request))

    def describe_cluster(self, cluster_id: str) -> effects.Cluster:
        """Return one cluster."""
        return convert.cluster(self._call(self._emr, "describe_cluster", ClusterId=cluster_id))

    def list_clusters(
        self, states: Iterable[str], created_after: datetime | None = None
    ) -> list[effects.ClusterSummary]:
        """Return all clusters in these states."""
        parameters: dict[str, Any] = {"ClusterStates": sorted(states)}
        if created_after is not None:
            parameters["CreatedAfter"] = created_after
        pages = self._pages(self._emr, "list_clusters", **parameters)
        return [convert.cluster_summary(raw) for page in pages for raw in convert.listed(page, "Clusters")]

    def list_instances(self, cluster_id: str) -> list[effects.Instance]:
        """Return the active nodes with the kind of their group."""
        groups = self._pages(self._emr, "list_instance_groups", ClusterId=cluster_id)
        listed = (raw for page in groups for raw in convert.listed(page, "InstanceGroups"))
        kinds = dict(map(convert.group_kind, listed))
        pages = self._pages(self._emr, "list_instances", ClusterId=cluster_id)
        found = [convert.instance(raw, kinds) for page in pages for raw in convert.listed(page, "Instances")]
        return [instance for instance in found if instance.state != "TERMINATED"]

    def add_steps(self, cluster_id: str, steps: Sequence[effects.StepRequest]) -> list[str]:
        """Add steps."""
        answer = self._call(
            self._emr,
            "add_job_flow_steps",
            JobFlowId=cluster_id,
            Steps=[convert.step_request(step) for step in steps],
        )
        return convert.step_ids(answer)

    def list_steps(self, cluster_id: str, step_ids: Sequence[str] = ()) -> list[effects.Step]:
        """Return steps, oldest first (the API answers newest first)."""
        parameters: dict[str, Any] = {"ClusterId": cluster_id}
        if step_ids:
            parameters["StepIds"] = list(step_ids)
        pages = self._pages(self._emr, "list_steps", **parameters)
        found = [convert.step(raw) for page in pages for raw in convert.listed(page, "Steps")]
        return found[::-1]

    def cancel_steps(self, cluster_id: str, step_ids: Sequence[str]) -> None:
        """Ask for the end of steps."""
        self._call(self._emr, "cancel_steps", ClusterId=cluster_id, StepIds=list(step_ids))

    def terminate_cluster(self, cluster_id: str) -> None:
        """Ask for the end of a cluster."""
        self._call(self._emr, "terminate_job_flows", JobFlowIds=[cluster_id])

    def set_termination_protection(self, cluster_id: str, *, protected: bool) -> None:
        """Switch termination protection."""
        self._call(
            self._emr, "set_termination_protection", JobFlowIds=[cluster_id], TerminationProtected=protected
        )

    def get_object(
        self, uri: str, *, most_bytes: int = effects.MOST_BYTES, from_end: bool = False
    ) -> effects.StoredObject | None:
        """Return an S3 object, or its first (or last) bytes; None when it is not there."""
        bucket, key = split_uri(uri)
        part = {"Range": f"bytes=-{most_bytes}"} if from_end else {}
        try:
            answer = self._call(self._s3, "get_object", Bucket=bucket, Key=key, **part)
        except AwsError as error:
            if error.code in {"NoSuchKey", "404"} or self._is_absent(error, uri):
                return None
            if error.code == "InvalidRange":  # the last bytes of an empty object
                return effects.StoredObject(body=b"", etag="", size=0)
            raise
        # Content-Range is `bytes 10-19/20`.
        size = int(str(answer.get("ContentRange", "")).rpartition("/")[2] or answer["ContentLength"])
        try:
            with answer["Body"] as stream:
                body: bytes = stream.read(most_bytes)
        except (aws.BotoCoreError, OSError) as error:
            raise translate(error, "GetObject", self._s3.meta.endpoint_url) from error
        return effects.StoredObject(body=body, etag=str(answer["ETag"]), size=size)

    def _is_absent(self, error: AwsError, uri: str) -> bool:
        """Return whether a refusal means that there is no such object.

        S3 answers AccessDenied for a missing key when the caller may not list the bucket
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html), and iam/operator.json allows
        listing of a few prefixes only.
        """
        if error.code != "AccessDenied":
            return False
        try:
            return all(found.uri != uri for found in self.list_objects(uri))
        except AwsError as refused:
            if refused.code != "AccessDenied":
                raise
            return False

    def put_object(self, uri: str, body: bytes, *, replaces: str | None) -> str:
        """Write an S3 object if the version that is there is the expected one."""
        bucket, key = split_uri(uri)
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        answer = self._call(
            self._s3,
            "put_object",
            Bucket=bucket,
            Key=key,
            Body=body,
            ContentType="application/json",
            **condition,
        )
        return str(answer["ETag"])

    def list_objects(self, uri: str, *, most: int = effects.MOST_OBJECTS) -> list[effects.ObjectSummary]:
        """Return the objects below a prefix, no more than `most`."""
        bucket, prefix = split_uri(uri)
        limit = {"MaxItems": most}
        pages = self._pages(self._s3, "list_objects_v2", Bucket=bucket, Prefix=prefix, PaginationConfig=limit)
        return [convert.object_summary(bucket, raw) for page in pages for raw in convert.listed_objects(page)]

    def caller_identity(self) -> str:
        """Return the caller's ARN."""
        return str(self._call(self._client("sts"), "get_caller_identity")["Arn"])
