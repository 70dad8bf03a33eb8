"""Clusters for the status page, in the words of EMR's own answers."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from emrbox.emr.api import views
from emrbox.emr.default_configurations import (
    NAMENODE_HTTP_PORT,
    NODE_MANAGER_HTTP_PORT,
    RESOURCE_MANAGER_HTTP_PORT,
)
from emrbox.emr.life import states
from emrbox.emr.life.clock import MovableClock
from emrbox.front.page.relay import host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emrbox.emr.life.model import Cluster, Group, Instance, Step

Document = dict[str, Any]
MOST_CLUSTERS = 200
MOST_STEPS = 200
MOST_EVENTS = 100


def overview(all_clusters: Sequence[Cluster], now: datetime, wanted: str = "") -> Document:
    """Return totals, and the clusters with `wanted` in name, id, state or failure: live first, then age."""
    live = [c for c in all_clusters if c.status.state not in states.CLUSTER_ENDED]
    ended = [c for c in all_clusters if c.status.state in states.CLUSTER_ENDED]
    matching = [c for c in (*reversed(live), *reversed(ended)) if _matches(c, wanted.casefold())]
    return {
        "totals": {
            "live": len(live),
            "ended": len(ended),
            "nodes": sum(group.running_count for c in live for group in c.groups if not is_hollow(c)),
            "steps": sum(len(c.active_steps) for c in live),
            "failed": sum(failure(c) is not None for c in all_clusters),
        },
        "matching": len(matching),
        "clusters": [_line(cluster, now) for cluster in matching[:MOST_CLUSTERS]],
    }


def _matches(cluster: Cluster, wanted: str) -> bool:
    why = failure(cluster)
    texts = (cluster.name, cluster.id, cluster.status.state, f"failed {why}" if why else "")
    return any(wanted in text.casefold() for text in texts)


def failure(cluster: Cluster) -> str | None:
    """Return what went wrong, in a line: the last of its steps that failed, or why it ended with errors."""
    for step in reversed(cluster.steps):
        if step.status.state is states.StepState.FAILED:
            why = step.failure and (step.failure.message or step.failure.reason)
            return f"{step.name}: {why or 'failed'}"
    if cluster.status.state is states.ClusterState.TERMINATED_WITH_ERRORS:
        return cluster.status.reason.message or "ended with errors"
    return None


def is_hollow(cluster: Cluster) -> bool:
    """Whether the cluster has no nodes and uses the movable clock."""
    return isinstance(cluster.clock, MovableClock)


def _line(cluster: Cluster, now: datetime) -> Document:
    with cluster.lock:
        at = cluster.clock.now() if cluster.clock else now
        return {
            **plain(views.cluster_summary(cluster, at)),
            "Hollow": is_hollow(cluster),
            "Account": cluster.account_id,
            "Failure": failure(cluster),
            "Instances": {group.role: group.running_count for group in cluster.groups},
            "Steps": dict(Counter(str(step.status.state) for step in cluster.steps)),
        }


def details(cluster: Cluster, now: datetime, submitted: Callable[[str], Sequence[str]]) -> Document:
    """Return one cluster with its groups, instances and steps.

    `submitted` returns the YARN applications that a running step has started so far, by its id.
    """
    with cluster.lock:
        at = cluster.clock.now() if cluster.clock else now
        hollow = is_hollow(cluster)
        document = {
            **views.cluster_document(cluster, at),
            "Hollow": hollow,
            "Now": at,
            "Groups": [
                {
                    **_group_document(group, cluster.id),
                    "Instances": [
                        {
                            **views.instance_document(group, instance),
                            "Links": [] if hollow else _links(group, instance),
                        }
                        for instance in group.instances
                    ],
                }
                for group in cluster.groups
            ],
            "Steps": [
                {
                    **views.step_document(step),
                    "Links": [] if hollow else _driver_links(cluster, step, submitted),
                }
                for step in reversed(cluster.steps[-MOST_STEPS:])
            ],
        }
    return dict(plain(document))


def _group_document(group: Group, cluster_id: str) -> Document:
    return views.fleet_document(group) if group.fleet else views.group_document(group, cluster_id)


def _links(group: Group, instance: Instance) -> list[Document]:
    """Return the web pages of a node's daemons; there is one only while the node runs."""
    if instance.status.state is not states.InstanceState.RUNNING:
        return []
    pages = [("NodeManager", NODE_MANAGER_HTTP_PORT, "/node")]
    if group.role == "MASTER":
        # Of the NameNode only JMX: its pages are not in the jars of Maven Central.
        pages = [
            ("YARN", RESOURCE_MANAGER_HTTP_PORT, "/cluster"),
            ("NameNode JMX", NAMENODE_HTTP_PORT, "/jmx"),
        ]
    address = instance.private_ip
    return [{"name": name, "host": host_of(address, port), "path": path} for name, port, path in pages]


def _driver_links(cluster: Cluster, step: Step, submitted: Callable[[str], Sequence[str]]) -> list[Document]:
    """Return YARN's page of each application of a step; while it runs, the Spark driver's too."""
    primary = [i for i in cluster.master.instances if i.status.state is states.InstanceState.RUNNING]
    if not primary:
        return []
    host = host_of(primary[0].private_ip, RESOURCE_MANAGER_HTTP_PORT)
    links = []
    under_way = step.status.state in states.STEP_STARTED
    for number in submitted(step.id) if under_way else step.application_ids:
        links.append({"name": number, "host": host, "path": f"/cluster/app/{number}"})
        if under_way:
            links.append({"name": "Spark", "host": host, "path": f"/proxy/{number}/"})
    return links


def plain(value: Any) -> Any:
    """Return a document of EMR's as JSON takes it: times as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return value
