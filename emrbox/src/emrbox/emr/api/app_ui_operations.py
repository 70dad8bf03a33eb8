"""EMR's operations on application UIs (docs/aws_facts.md 7.1).

Each takes the UIs, the store as the caller's account sees it, a request that fits the model and the caller's
ARN, and answers the request. The words of refusals are a guess.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import AwsError, invalid_request
from emrbox.emr import ids
from emrbox.emr.api import validation
from emrbox.emr.api.views import present, tag_documents
from emrbox.emr.life.app_uis import PersistentUi, UiError, UiStatus
from emrbox.emr.life.states import CLUSTER_READY

if TYPE_CHECKING:
    from emrbox.emr.life.app_uis import AppUis
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.store import Store

Document = dict[str, Any]
KEPT = timedelta(days=30)  # after the cluster's end: docs/aws_facts.md 7.1
APPLICATION_ID = re.compile(r"application_\d{1,20}_\d{1,10}")
HISTORY = "/shs"
# Types of UIs on clusters, off clusters and of profilers -> what would serve them, and nodes do not have.
MISSING = {
    "YarnTimelineService": "YARN timeline server",
    "TezUI": "Tez",
    "JobHistoryServer": "MapReduce job history server",
    "TEZUI": "Tez",
    "TEZ": "Tez",
    "YTS": "YARN timeline server",
}


def get_on_cluster_url(uis: AppUis, store: Store, request: Document, _: str) -> Document:
    """Return a URL that opens a page of an application on the cluster's primary node.

    Which UI it is without a type, and that a dry run has no URL, is a guess.
    """
    cluster = store.cluster(request["ClusterId"])
    _require_nodes(cluster)
    _refuse_role(request)
    if cluster.status.state not in CLUSTER_READY:
        raise invalid_request(f"Cluster '{cluster.id}' is in the {cluster.status.state} state.")
    application_id = request.get("ApplicationId")
    kind = request.get("OnClusterAppUIType") or ("ApplicationMaster" if application_id else "ResourceManager")
    _require_there(kind)
    if kind == "ApplicationMaster" and not application_id:
        raise invalid_request("ApplicationId is required for the UI of an ApplicationMaster.")
    if application_id and not (
        APPLICATION_ID.fullmatch(application_id) and uis.on_clusters.has_application(cluster, application_id)
    ):
        raise _no_application(application_id, cluster.id)
    if kind == "SparkHistoryServer" and not uis.on_clusters.open_history(cluster):
        return {"PresignedURLReady": False}
    if request.get("DryRun"):
        return {"PresignedURLReady": True}
    url = uis.presigned.url(cluster.id, _path_on_cluster(kind, application_id))
    return {"PresignedURLReady": True, "PresignedURL": url}


def _path_on_cluster(kind: str, application_id: str | None) -> str:
    """Return the page: below the host they are where those of YARN are, and Spark's below /shs, as on AWS."""
    if kind == "SparkHistoryServer":
        return _path_of_history(application_id)
    if kind == "ApplicationMaster":
        return f"/proxy/{application_id}/"
    return f"/cluster/app/{application_id}" if application_id else "/cluster"


def _path_of_history(application_id: str | None) -> str:
    return f"{HISTORY}/history/{application_id}/" if application_id else f"{HISTORY}/"


def create_persistent_ui(uis: AppUis, store: Store, request: Document, caller: str) -> Document:
    """Make a UI off the cluster, also of one that has ended up to 30 days ago.

    That a cluster has one, whoever asks again, is a guess.
    """
    named = ids.cluster_of_arn(request["TargetResourceArn"])
    if named is None or request.get("EMRContainersConfig"):
        raise invalid_request("TargetResourceArn is not the ARN of a cluster: emrbox has EMR on EC2 only.")
    cluster = store.cluster(named)
    if request["TargetResourceArn"] != ids.cluster_arn(cluster.id, cluster.account_id):
        raise invalid_request(f"There is no resource {request['TargetResourceArn'][:200]} in this account.")
    _require_nodes(cluster)
    _require_there(request.get("ProfilerType", "SHS"))
    validation.check_tags(request.get("Tags", []))
    now = store.now(cluster)
    if cluster.status.ended is not None and now - cluster.status.ended > KEPT:
        raise invalid_request(f"Cluster '{cluster.id}' ended more than {KEPT.days} days ago.")
    ui = uis.add(
        PersistentUi(
            id=ids.persistent_ui_id(),
            cluster_id=cluster.id,
            account_id=cluster.account_id,
            author=caller,
            tags={tag["Key"]: tag.get("Value", "") for tag in request.get("Tags", [])},
            created=now,
            modified=now,
        )
    )
    return {"PersistentAppUIId": ui.id, "RuntimeRoleEnabledCluster": False}


def describe_persistent_ui(uis: AppUis, store: Store, request: Document, _: str) -> Document:
    """Return a UI off the cluster."""
    ui = _persistent(uis, store, request)
    document = {
        "PersistentAppUIId": ui.id,
        "PersistentAppUITypeList": ["SHS"],
        "PersistentAppUIStatus": ui.status,
        "AuthorId": ui.author[:256],
        "CreationTime": ui.created,
        "LastModifiedTime": ui.modified,
        "LastStateChangeReason": ui.reason,
        "Tags": tag_documents(ui.tags),
    }
    return {"PersistentAppUI": present(document)}


def get_persistent_url(uis: AppUis, store: Store, request: Document, _: str) -> Document:
    """Return a URL that opens the history server off the cluster."""
    ui = _persistent(uis, store, request)
    _refuse_role(request)
    _require_there(request.get("PersistentAppUIType", "SHS"))
    application_id = request.get("ApplicationId")
    if application_id and not (
        APPLICATION_ID.fullmatch(application_id) and uis.off_clusters.has_application(ui, application_id)
    ):
        raise _no_application(application_id, ui.cluster_id)
    if ui.status is UiStatus.FAILED:
        raise invalid_request(f"The persistent application UI {ui.id} has failed: {ui.reason}")
    if ui.status is not UiStatus.ATTACHED:
        return {"PresignedURLReady": False}
    try:
        uis.off_clusters.open(ui)
    except UiError as problem:
        raise invalid_request(f"The persistent application UI {ui.id} does not start: {problem}") from problem
    url = uis.presigned.url(ui.id, _path_of_history(application_id))
    return {"PresignedURLReady": True, "PresignedURL": url}


def _persistent(uis: AppUis, store: Store, request: Document) -> PersistentUi:
    name = request["PersistentAppUIId"]
    ui = uis.find(name, store.account_id)
    if ui is None or store.find(ui.cluster_id) is None:
        raise invalid_request(f"Persistent application UI id '{name[:60]}' is not valid.")
    return ui


def _require_nodes(cluster: Cluster) -> None:
    if cluster.is_hollow:
        raise invalid_request(
            f"Cluster '{cluster.id}' has no nodes (tag emrbox:hollow), and no application of it has a UI."
        )


def _require_there(kind: str) -> None:
    if kind in MISSING:
        raise invalid_request(f"{kind} is not available in this region: emrbox has no {MISSING[kind]}.")


def _refuse_role(request: Document) -> None:
    if request.get("ExecutionRoleArn"):
        raise invalid_request("Runtime roles are not supported on this cluster: emrbox has no runtime roles.")


def _no_application(application_id: str, cluster_id: str) -> AwsError:
    return invalid_request(f"Cluster '{cluster_id}' has no application '{application_id[:60]}'.")
