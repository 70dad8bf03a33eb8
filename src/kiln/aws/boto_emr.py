"""The real effects on EMR."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from kiln.aws import convert, effects
from kiln.aws.clients import Clients
from kiln.errors import AwsError, InstanceFleetsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

# EMR Management Guide: pending, running, and those that CancelSteps has asked for (docs/aws_facts.md 1.5).
_ACTIVE = ("PENDING", "RUNNING", "CANCEL_PENDING")
# The exceptions of DescribeReleaseLabel for a request that is wrong; its only member here is the label.
_UNKNOWN_RELEASE = frozenset({"InvalidRequestException", "ValidationException"})
# More than EC2 has types of, so that an answer that names a next page for ever is left.
_MOST_TYPE_PAGES = 200


class BotoEmr(Clients):
    """Clusters and steps."""

    @cached_property
    def _of_fleets(self) -> set[str]:
        """Clusters that are known to consist of fleets, which they do for life."""
        return set()

    @cached_property
    def _emr(self) -> Any:
        return self.client("emr")

    def run_job_flow(self, request: Mapping[str, Any]) -> str:
        """Launch a cluster."""
        return convert.cluster_id(self.call(self._emr, "run_job_flow", **request))

    def describe_cluster(self, cluster_id: str) -> effects.Cluster:
        """Return one cluster."""
        return convert.cluster(self.call(self._emr, "describe_cluster", ClusterId=cluster_id))

    def list_clusters(
        self, states: Iterable[str], created_after: datetime | None = None
    ) -> list[effects.ClusterSummary]:
        """Return all clusters in these states."""
        parameters: dict[str, Any] = {"ClusterStates": sorted(states)}
        if created_after is not None:
            parameters["CreatedAfter"] = created_after
        pages = self.pages(self._emr, "list_clusters", **parameters)
        return [convert.cluster_summary(raw) for page in pages for raw in convert.listed(page, "Clusters")]

    def release_applications(self, label: str) -> tuple[str, ...] | None:
        """Return the applications of a release, if there is one."""
        try:
            answer = self.call(self._emr, "describe_release_label", ReleaseLabel=label)
        except AwsError as error:
            if error.code in _UNKNOWN_RELEASE:
                return None
            raise
        return convert.applications(answer)

    def supported_instance_types(self, label: str) -> frozenset[str]:
        """Return the instance types that a release runs on (botocore has no paginator for them)."""
        found: set[str] = set()
        more: dict[str, str] = {}
        for _ in range(_MOST_TYPE_PAGES):
            answer = self.call(self._emr, "list_supported_instance_types", ReleaseLabel=label, **more)
            found.update(convert.instance_types(answer))
            if not answer.get("Marker"):
                break
            more = {"Marker": answer["Marker"]}
        return frozenset(found)

    def list_instances(self, cluster_id: str) -> list[effects.Instance]:
        """Return the active nodes with the kind of their group."""
        kinds = {group.id: group.kind for group in self.list_instance_groups(cluster_id)}
        pages = self.pages(self._emr, "list_instances", ClusterId=cluster_id)
        found = [convert.instance(raw, kinds) for page in pages for raw in convert.listed(page, "Instances")]
        return [instance for instance in found if instance.state != "TERMINATED"]

    def add_steps(self, cluster_id: str, steps: Sequence[effects.StepRequest]) -> list[str]:
        """Add steps."""
        answer = self.call(
            self._emr,
            "add_job_flow_steps",
            JobFlowId=cluster_id,
            Steps=[convert.step_request(step) for step in steps],
        )
        return convert.step_ids(answer)

    def list_steps(
        self, cluster_id: str, step_ids: Sequence[str] = (), *, active: bool = False
    ) -> list[effects.Step]:
        """Return steps, oldest first (the API answers newest first)."""
        parameters: dict[str, Any] = {"ClusterId": cluster_id}
        if step_ids:
            parameters["StepIds"] = list(step_ids)
        if active:
            parameters["StepStates"] = list(_ACTIVE)
        pages = self.pages(self._emr, "list_steps", **parameters)
        found = [convert.step(raw) for page in pages for raw in convert.listed(page, "Steps")]
        return found[::-1]

    def cancel_steps(self, cluster_id: str, step_ids: Sequence[str], *, force: bool = False) -> None:
        """Ask for the end of steps."""
        self.call(
            self._emr,
            "cancel_steps",
            ClusterId=cluster_id,
            StepIds=list(step_ids),
            StepCancellationOption="TERMINATE_PROCESS" if force else "SEND_INTERRUPT",
        )

    def terminate_cluster(self, cluster_id: str) -> None:
        """Ask for the end of a cluster."""
        self.call(self._emr, "terminate_job_flows", JobFlowIds=[cluster_id])

    def set_termination_protection(self, cluster_id: str, *, protected: bool) -> None:
        """Switch termination protection."""
        self.call(
            self._emr, "set_termination_protection", JobFlowIds=[cluster_id], TerminationProtected=protected
        )

    def list_instance_groups(self, cluster_id: str) -> list[effects.Group]:
        """Return the instance groups, or the instance fleets: only the call itself says which there are."""
        if cluster_id not in self._of_fleets:
            try:
                pages = self.pages(self._emr, "list_instance_groups", ClusterId=cluster_id)
                return [
                    convert.group(raw) for page in pages for raw in convert.listed(page, "InstanceGroups")
                ]
            except InstanceFleetsError:
                self._of_fleets.add(cluster_id)
        pages = self.pages(self._emr, "list_instance_fleets", ClusterId=cluster_id)
        return [convert.fleet(raw) for page in pages for raw in convert.listed(page, "InstanceFleets")]

    def list_lost_instances(self, cluster_id: str) -> list[effects.LostInstance]:
        """Return the nodes that failed."""
        pages = self.pages(self._emr, "list_instances", ClusterId=cluster_id, InstanceStates=["TERMINATED"])
        found = [convert.lost_instance(raw) for page in pages for raw in convert.listed(page, "Instances")]
        return [one for one in found if one is not None]

    def add_tags(self, cluster_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a cluster."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.call(self._emr, "add_tags", ResourceId=cluster_id, Tags=listed)

    def set_idle_timeout(self, cluster_id: str, seconds: int) -> None:
        """Set the auto-termination policy."""
        policy = {"IdleTimeout": seconds}
        self.call(
            self._emr, "put_auto_termination_policy", ClusterId=cluster_id, AutoTerminationPolicy=policy
        )
