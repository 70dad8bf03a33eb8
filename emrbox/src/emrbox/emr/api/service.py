"""EMR's API: permission, then the operation. What emrbox lacks is refused as AWS refuses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from emrbox.aws import condition_keys
from emrbox.aws.errors import validation_error
from emrbox.config import REGION
from emrbox.emr import ids
from emrbox.emr.api import app_ui_operations as app_uis
from emrbox.emr.api import catalog_operations as catalog
from emrbox.emr.api import cluster_operations as clusters
from emrbox.emr.api import fleet_operations as fleets
from emrbox.emr.api import group_operations as groups
from emrbox.emr.api import job_flows, request_members, unavailable
from emrbox.emr.api import scaling_operations as scaling
from emrbox.emr.api import security_operations as security
from emrbox.emr.api import session_operations as sessions
from emrbox.emr.api import step_operations as steps
from emrbox.emr.api.coverage import not_available
from emrbox.emr.life.security import SecuritySettings
from emrbox.emr.life.states import CLUSTER_ENDED
from emrbox.emr.life.store import Clusters, Store

if TYPE_CHECKING:
    from emrbox.aws.auth import Caller
    from emrbox.aws.errors import AwsError
    from emrbox.emr.life.app_uis import AppUis
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.session_access import SessionAccess

Document = dict[str, Any]
Catalog = Callable[[str, Document], Document]  # the first is a region
Read = Callable[[Clusters, Document], Document]
Write = Callable[[Store, Document], Document]
AppUi = Callable[["AppUis", Store, Document, str], Document]  # the last is the caller's ARN
# The settings of the caller's account and region, the request, the caller's ARN, the time.
Security = Callable[[SecuritySettings, Document, str, datetime], Document]
SERVICE = "elasticmapreduce"

APP_UIS: dict[str, AppUi] = {
    "CreatePersistentAppUI": app_uis.create_persistent_ui,
    "DescribePersistentAppUI": app_uis.describe_persistent_ui,
    "GetOnClusterAppUIPresignedURL": app_uis.get_on_cluster_url,
    "GetPersistentAppUIPresignedURL": app_uis.get_persistent_url,
}
ENDPOINT = "GetSessionEndpoint"
# What acts on a session that there is: permission is asked for on that.
ON_SESSION = frozenset({"GetSession", ENDPOINT, "TerminateSession"})
CATALOG: dict[str, Catalog] = {
    "DescribeReleaseLabel": catalog.describe_release_label,
    "ListReleaseLabels": catalog.list_release_labels,
    "ListSupportedInstanceTypes": catalog.list_supported_instance_types,
}
SECURITY: dict[str, Security] = {
    "CreateSecurityConfiguration": security.create_security_configuration,
    "DeleteSecurityConfiguration": security.delete_security_configuration,
    "DescribeSecurityConfiguration": security.describe_security_configuration,
    "GetBlockPublicAccessConfiguration": security.get_block_public_access,
    "ListSecurityConfigurations": security.list_security_configurations,
    "PutBlockPublicAccessConfiguration": security.put_block_public_access,
}
READS: dict[str, Read] = {
    "DescribeCluster": clusters.describe_cluster,
    "DescribeJobFlows": job_flows.describe_job_flows,
    "DescribeStep": steps.describe_step,
    "GetAutoTerminationPolicy": clusters.get_auto_termination_policy,
    "GetClusterSessionCredentials": clusters.get_cluster_session_credentials,
    "GetManagedScalingPolicy": scaling.get_managed_scaling_policy,
    "GetSession": sessions.get_session,
    "ListBootstrapActions": clusters.list_bootstrap_actions,
    "ListClusters": clusters.list_clusters,
    "ListInstanceFleets": fleets.list_instance_fleets,
    "ListInstanceGroups": clusters.list_instance_groups,
    "ListInstances": clusters.list_instances,
    "ListSessions": sessions.list_sessions,
    "ListSteps": steps.list_steps,
}
WRITES: dict[str, Write] = {
    "AddInstanceFleet": fleets.add_instance_fleet,
    "AddInstanceGroups": groups.add_instance_groups,
    "AddJobFlowSteps": steps.add_job_flow_steps,
    "AddTags": clusters.add_tags,
    "CancelSteps": steps.cancel_steps,
    "ModifyCluster": clusters.modify_cluster,
    "ModifyInstanceFleet": fleets.modify_instance_fleet,
    "ModifyInstanceGroups": groups.modify_instance_groups,
    "PutAutoScalingPolicy": scaling.put_auto_scaling_policy,
    "PutAutoTerminationPolicy": clusters.put_auto_termination_policy,
    "PutManagedScalingPolicy": scaling.put_managed_scaling_policy,
    "RemoveAutoScalingPolicy": scaling.remove_auto_scaling_policy,
    "RemoveAutoTerminationPolicy": clusters.remove_auto_termination_policy,
    "RemoveManagedScalingPolicy": scaling.remove_managed_scaling_policy,
    "RemoveTags": clusters.remove_tags,
    "RunJobFlow": clusters.run_job_flow,
    "SetKeepJobFlowAliveWhenNoSteps": clusters.set_keep_alive,
    "SetTerminationProtection": clusters.set_termination_protection,
    "SetUnhealthyNodeReplacement": clusters.set_unhealthy_node_replacement,
    "SetVisibleToAllUsers": clusters.set_visible_to_all_users,
    "StartSession": sessions.start_session,
    "TerminateJobFlows": clusters.terminate_job_flows,
    "TerminateSession": sessions.terminate_session,
}


class ReadView(Protocol):
    """What reads show of the clusters: the place where faults of reads are injected."""

    def clusters(self, store: Store, operation: str, named: Sequence[str]) -> Clusters:
        """Return the clusters as a read sees them; `named` are the ids of those that it is about."""

    def writing(self, store: Store, named: Sequence[str]) -> None:
        """Take note of a write that is about to be done to these clusters."""

    def launched(self, store: Store, cluster_id: str) -> None:
        """Take note of a new cluster."""


class PresentView:
    """Reads show each cluster as it is."""

    def clusters(self, store: Store, operation: str, named: Sequence[str]) -> Clusters:  # noqa: ARG002  # always
        """Return the store itself."""
        return store

    def writing(self, store: Store, named: Sequence[str]) -> None:
        """Do nothing: the past is not shown."""

    def launched(self, store: Store, cluster_id: str) -> None:
        """Do nothing: the past is not shown."""


class LaunchQuotas(Protocol):
    """The quotas of accounts."""

    def refusal_of_launch(self, account_id: str, name: str) -> AwsError | None:
        """Return why an account may not launch one more cluster, with this name; None if it may."""


class EmrService:
    """The operations of EMR; each caller sees the clusters of its own account.

    Without `uis` there is none of those on application UIs, without `access` no endpoint of a session.
    """

    def __init__(
        self,
        store: Store,
        view: ReadView | None = None,
        quotas: LaunchQuotas | None = None,
        uis: AppUis | None = None,
        access: SessionAccess | None = None,
    ) -> None:
        self._store = store
        self._uis = uis
        self._access = access
        self._view = view or PresentView()
        self._quotas = quotas

    @property
    def store(self) -> Store:
        """The account's clusters."""
        return self._store

    def call(self, operation: str, request: Document, caller: Caller) -> Document:
        """Check that the caller may, then do it. Refusals are AwsError."""
        store = self._store.for_account(caller.account_id, caller.region)
        named = self._named(store, request)
        _authorise(store, operation, request, named, caller)
        if (lookup := CATALOG.get(operation)) is not None:
            return lookup(caller.region, request)
        if (setting := SECURITY.get(operation)) is not None:
            return setting(store.security, request, caller.arn, store.clock.now())
        if self._uis is not None and (app_ui := APP_UIS.get(operation)) is not None:
            return app_ui(self._uis, store, request, caller.arn)
        if self._access is not None and operation == ENDPOINT:
            return sessions.get_session_endpoint(self._access, store, request)
        if (read := READS.get(operation)) is not None:
            return read(self._view.clusters(store, operation, named), request)
        if (write := WRITES.get(operation)) is None:
            raise not_available(operation)
        if operation == "RunJobFlow":
            self._check_launch(request, caller)
        elif operation in request_members.OPERATIONS:
            unavailable.check(operation, request)
        self._view.writing(store, named)
        answer = write(store, request)
        if operation == "RunJobFlow":
            self._view.launched(store, answer["JobFlowId"])
        return answer

    def _named(self, store: Store, request: Document) -> list[str]:
        """Return the ids of the clusters that a request is about, or whose UI it names."""
        if self._uis is not None and "PersistentAppUIId" in request:
            ui = self._uis.find(request["PersistentAppUIId"], store.account_id)
            return [] if ui is None else [ui.cluster_id]
        return _named_clusters(store, request)

    def _check_launch(self, request: Document, caller: Caller) -> None:
        if caller.region != REGION:
            raise validation_error(f"Clusters are not available in this region: emrbox has them in {REGION}.")
        refusal = self._quotas and self._quotas.refusal_of_launch(caller.account_id, request["Name"])
        if refusal:
            raise refusal

    def clusters_named(self, body: bytes) -> list[str]:
        """Return ids and names of the clusters that a request's body mentions."""
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return []
        if not isinstance(request, dict):
            return []
        found = _named_clusters(self._store, request)
        names = [cluster.name for name in found if (cluster := self._store.find(name)) is not None]
        own = request.get("Name")
        return [*found, *names, *([own] if isinstance(own, str) else [])]

    def open_account(self, account_id: str) -> None:
        """Nothing to make: an account's clusters are known by their launch."""

    def close_account(self, account_id: str) -> None:
        """End and forget every cluster of an account."""
        self._store.forget_account(account_id)
        if self._uis is not None:
            self._uis.forget_account(account_id)

    def status(self) -> Document:
        """Return the clusters that have not ended."""
        live = [c for c in self._store.all() if c.status.state not in CLUSTER_ENDED]
        return {"clusters": [_status_line(cluster) for cluster in live]}


def _named_clusters(store: Store, request: Document) -> list[str]:
    """Return the ids of the clusters that a request is about; ModifyInstanceGroups may name groups only."""
    if found := ids.named_clusters(request):
        return found
    groups = ids.named_groups(request)
    return [c.id for c in store.all() if any(g.id in groups for g in c.groups)] if groups else []


def _authorise(store: Store, operation: str, request: Document, named: Sequence[str], caller: Caller) -> None:
    action = f"elasticmapreduce:{operation}"
    asked = _request_keys(request)
    for cluster_id in named:
        cluster = store.find(cluster_id)
        tags = condition_keys.of_resource_tags(SERVICE, _tags_of(cluster)) if cluster else {}
        arn = ids.cluster_arn(cluster_id, caller.account_id)
        if operation in ON_SESSION:
            arn = ids.session_arn(cluster_id, request["SessionId"], caller.account_id)
        caller.require(action, arn, {**asked, **tags})
    if not named:
        caller.require(action, "*", asked)
    if operation == "RunJobFlow":
        if request.get("Tags"):
            # The Management Guide says that a launch with tags needs AddTags; that it is asked for the ARN
            # with a literal star is in published error messages (gchq/sleeper issue 2584).
            arn = ids.cluster_arn("*", caller.account_id)
            caller.require("elasticmapreduce:AddTags", arn, asked)
        _authorise_roles(store, request, caller)


def _request_keys(request: Document) -> condition_keys.Keys:
    """Return the condition keys of what a request says. RemoveTags names keys without values."""
    tags = [(tag.get("Key", ""), tag.get("Value", "")) for tag in request.get("Tags") or []]
    keys = condition_keys.of_request_tags(SERVICE, tags)
    keys |= condition_keys.of_tag_keys(request.get("TagKeys") or [])
    if request.get("ExecutionRoleArn"):
        keys["elasticmapreduce:ExecutionRoleArn"] = request["ExecutionRoleArn"]
    return keys


def _authorise_roles(store: Store, request: Document, caller: Caller) -> None:
    """Require iam:PassRole on each role that RunJobFlow passes (docs/aws_facts.md 9).

    To whom the scaling role is passed is in AWS's policy AmazonEMRFullAccessPolicy_v2.
    """
    for member, service in (
        ("ServiceRole", "elasticmapreduce.amazonaws.com"),
        ("AutoScalingRole", "application-autoscaling.amazonaws.com"),
    ):
        if request.get(member):
            arn = ids.role_arn(request[member], caller.account_id)
            caller.require("iam:PassRole", arn, {"iam:PassedToService": service})
    if request.get("JobFlowRole"):
        try:
            role = store.role_of_profile(request["JobFlowRole"])
        except KeyError:
            return  # validation has the better message
        context = {"iam:PassedToService": "ec2.amazonaws.com"}
        caller.require("iam:PassRole", ids.role_arn(role, caller.account_id), context)


def _tags_of(cluster: Cluster) -> dict[str, str]:
    with cluster.lock:
        return dict(cluster.tags)


def _status_line(cluster: Cluster) -> Document:
    with cluster.lock:
        return {
            "id": cluster.id,
            "name": cluster.name,
            "state": str(cluster.status.state),
            "instances": {group.role: group.running_count for group in cluster.groups},
            "active_steps": [step.name for step in cluster.active_steps],
        }
