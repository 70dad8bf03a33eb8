"""EMR's operations on Spark Connect sessions (docs/aws_facts.md 7.2). The words of refusals are a guess."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import invalid_request
from emrbox.emr import ids
from emrbox.emr.api import validation
from emrbox.emr.api.paging import page
from emrbox.emr.api.views import present
from emrbox.emr.life import states
from emrbox.emr.life.model import HA_MASTERS, Session, Status
from emrbox.emr.life.states import SessionState

if TYPE_CHECKING:
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.session_access import SessionAccess
    from emrbox.emr.life.store import Clusters, Store

Document = dict[str, Any]
DEFAULT_IDLE_MINUTES, IDLE_MINUTES = 60, range(1, 24 * 60 + 1)
MOST_ACTIVE = 1000
PAGE_SIZE = 50  # without MaxResults: a guess
CLASSIFICATION = "spark-defaults"
# Where the server runs and listens is EMR's.
RESERVED = re.compile(r"spark\.(master|submit\..*|connect\.(grpc\.binding|authenticate)\..*)")
PROPERTY = re.compile(r"spark\.[A-Za-z0-9_.-]{1,200}")


def start_session(store: Store, request: Document) -> Document:
    """Submit a session. The same ClientRequestToken again returns the session that there is."""
    cluster = store.cluster(request["ClusterId"])
    token = request.get("ClientRequestToken")
    with cluster.lock:
        _require_sessions(cluster)
        known = [one for one in cluster.sessions if token and one.request.get("ClientRequestToken") == token]
        if not known:
            _check(cluster, request)
            now = store.now(cluster)
            session = Session(
                id=ids.session_id(),
                name=request["Name"],
                request=request,
                status=Status(SessionState.SUBMITTED, now),
                changed=now,
                idle_minutes=request.get("SessionIdleTimeoutInMinutes", DEFAULT_IDLE_MINUTES),
            )
            cluster.sessions.append(session)
            known = [session]
        answer = {"State": known[0].status.state, **_names(cluster, known[0])}
    cluster.wake()
    return answer


def get_session(clusters: Clusters, request: Document) -> Document:
    """Return one session."""
    cluster = clusters.cluster(request["ClusterId"])
    with cluster.lock:
        return {"Session": _document(cluster, _session(cluster, request))}


def list_sessions(clusters: Clusters, request: Document) -> Document:
    """Return sessions by state, the newest first."""
    cluster = clusters.cluster(request["ClusterId"])
    wanted = set(request.get("SessionStates", []))
    with cluster.lock:
        shown, token = page(
            cluster.sessions[::-1],
            request.get("NextToken"),
            lambda session: session.id,
            wanted=lambda session: not wanted or session.status.state in wanted,
            size=request.get("MaxResults", PAGE_SIZE),
        )
        documents = [_document(cluster, session) for session in shown]
    return present({"Sessions": documents, "NextToken": token})


def terminate_session(store: Store, request: Document) -> Document:
    """End a session; one that is over stays as it is."""
    cluster = store.cluster(request["ClusterId"])
    with cluster.lock:
        session = _session(cluster, request)
        store.engine(cluster).sessions.terminate(session, store.now(cluster))
        return {"ClusterId": cluster.id, "SessionId": session.id, "State": session.status.state}


def get_session_endpoint(access: SessionAccess, store: Store, request: Document) -> Document:
    """Return where clients find a session, and a token that lets them in for an hour."""
    cluster = store.cluster(request["ClusterId"])
    with cluster.lock:
        session = _session(cluster, request)
        if session.status.state not in states.SESSION_READY:
            raise invalid_request(f"Session '{session.id}' is in the {session.status.state} state.")
        if session.server is None:
            raise invalid_request(
                f"Session '{session.id}' has no endpoint: its cluster has no nodes (tag emrbox:hollow)."
            )
    token, end = access.issue(session)
    return {"Endpoint": access.endpoint(session), "AuthToken": token, "AuthTokenExpirationTime": end}


def _require_sessions(cluster: Cluster) -> None:
    if not cluster.request.get("SessionEnabled"):
        raise invalid_request(f"Sessions are not enabled on cluster '{cluster.id}'.")
    if cluster.status.state not in states.CLUSTER_READY:
        raise invalid_request(f"Cluster '{cluster.id}' is in the {cluster.status.state} state.")


def _check(cluster: Cluster, request: Document) -> None:
    if not request.get("Name"):
        raise invalid_request("Name is required and must not be empty.")
    if request.get("ExecutionRoleArn"):
        raise invalid_request("Runtime roles are not supported on this cluster: emrbox has no runtime roles.")
    for name, configuration in request.get("MonitoringConfiguration", {}).items():
        if configuration.get("Enabled"):
            raise invalid_request(f"{name} is not available in this region: emrbox has no logs of sessions.")
    minutes = request.get("SessionIdleTimeoutInMinutes", DEFAULT_IDLE_MINUTES)
    if minutes not in IDLE_MINUTES:
        raise invalid_request(f"SessionIdleTimeoutInMinutes must be from 1 to {IDLE_MINUTES[-1]}.")
    if len(cluster.active_sessions) >= MOST_ACTIVE:
        raise invalid_request(f"Cluster '{cluster.id}' has {MOST_ACTIVE} active sessions already.")
    validation.check_tags(request.get("Tags", []))
    for configuration in request.get("EngineConfigurations", []):
        _check_configuration(configuration)


def _check_configuration(configuration: Document) -> None:
    name = configuration.get("Classification", "")
    if name != CLASSIFICATION or configuration.get("Configurations"):
        raise invalid_request(
            f"EngineConfigurations take {CLASSIFICATION} without others in it, not '{name[:60]}'."
        )
    for key, value in configuration.get("Properties", {}).items():
        if not PROPERTY.fullmatch(key) or RESERVED.fullmatch(key) or "\n" in value or "\r" in value:
            raise invalid_request(
                f"EngineConfigurations: the property '{key[:60]}' cannot be set for a session."
            )


def check_launch(request: Document) -> str | None:
    """Return why a launch cannot have sessions, if it asks for them; else None."""
    if not request.get("SessionEnabled"):
        return None
    if not re.fullmatch(r"emr-spark-([89]|\d\d+)\..*", request["ReleaseLabel"]):
        return "SessionEnabled is supported from emr-spark-8.0.0 on."
    groups = request["Instances"].get("InstanceGroups", [])
    masters = [one for one in groups if one.get("InstanceRole") == "MASTER"]
    if any(one.get("InstanceCount") == HA_MASTERS for one in masters):
        return "SessionEnabled is not supported on clusters with several primary nodes."
    return None


def _session(cluster: Cluster, request: Document) -> Session:
    for session in cluster.sessions:
        if session.id == request["SessionId"]:
            return session
    raise invalid_request(f"Session id '{request['SessionId'][:60]}' is not valid.")


def _names(cluster: Cluster, session: Session) -> Document:
    return {
        "Id": session.id,
        "ClusterId": cluster.id,
        "Arn": ids.session_arn(cluster.id, session.id, cluster.account_id),
        "AccountId": cluster.account_id,
    }


def _document(cluster: Cluster, session: Session) -> Document:
    status, request = session.status, session.request
    return present(
        {
            **_names(cluster, session),
            "Name": session.name,
            "State": status.state,
            "StateChangeReason": status.reason.message,
            "ReleaseLabel": cluster.release_label,
            "CreatedAt": status.created,
            "UpdatedAt": session.changed,
            "StartedAt": status.ready,
            "EndedAt": status.ended,
            "IdleSince": session.idle_since if status.state is SessionState.IDLE else None,
            "EngineConfigurations": request.get("EngineConfigurations"),
            "MonitoringConfiguration": request.get("MonitoringConfiguration"),
            "SessionIdleTimeoutInMinutes": session.idle_minutes,
            "Tags": request.get("Tags"),
        }
    )
