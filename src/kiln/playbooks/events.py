"""The lines that a playbook's process writes for its driver, one an event."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass

# What provision puts on nodes, by the labels of the items; deploy puts the others there.
PROVISIONED = frozenset({"packages", "files", "system_settings", "environment"})
_FAILURE_CODES = frozenset(ExitCode) - {ExitCode.OK}
_CLASSES = frozenset(one.value for one in FailureClass)
# What runs on the control host. Results of all other tasks are made on a node, and may say anything.
OWN_ACTIONS = frozenset(
    {
        "emr_cluster",
        "emr_cluster_info",
        "emr_deployed",
        "emr_node_apply",
        "emr_step",
        "emr_target_nodes",
        "kiln_check",
        "kiln_host_keys",
        "model_repo_archive",
        "model_repo_rollback",
        "node_image",
        "node_secrets_file",
    }
)


class NodeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One node as emr_node_apply has left it, or in check mode has seen it. `items`: label -> state."""

    state: str = ""
    message: str = ""
    items: dict[str, str] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `process`.

    Only failures of kiln's own modules and actions have an exit code and a class, and only their results
    have notes for people. `lines` sum up what a task did on all nodes; without them the event is that of one
    host. `nodes` has the state of each item on each of them (kiln.nodes.results). `done`: how many of `total`
    nodes are done with each item; `changed`: which items a node was changed by now.
    """

    event: str = ""
    task: str = ""
    host: str = ""
    cluster_id: str = ""
    message: str = ""
    fix: str = ""
    details: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    nodes: dict[str, NodeSeen] = {}
    done: dict[str, int] = {}
    changed: tuple[str, ...] = ()
    total: int = 0
    exit_code: ExitCode | None = None
    failure_class: FailureClass | None = None


def event_of(line: str) -> Event:
    """Return the event that a line holds; an empty one when it holds none."""
    try:
        return msgspec.convert(json.loads(line), Event)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return Event()


def event_line(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return the line about an event of ansible-runner; None for what the driver need not know."""
    kind, data = event.get("event", ""), event.get("event_data", {})
    if kind == "playbook_on_task_start":
        return {"event": "task", "task": data.get("task", ""), "play": data.get("play", "")}
    where = {"task": data.get("task", ""), "host": data.get("host", "")}
    result, action = data.get("res") or {}, data.get("task_action")
    found = _launched(action, result) | _notes(action, result)
    lines = _summed_up(action, result)
    found |= _nodes(action, result)
    if kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        return {"event": "failed"} | where | found | lines | _failure(action, result)
    if kind == "runner_on_ok" and result.get("changed"):
        return {"event": "changed"} | where | found | lines
    return {"event": "result"} | found if found else None


def _launched(action: object, result: dict[str, Any]) -> dict[str, str]:
    """Return the id of the cluster that a launch has come to, also when it failed after that."""
    if action != "emr_cluster":
        return {}
    cluster = result.get("cluster")
    found = (cluster.get("id") if isinstance(cluster, dict) else None) or result.get("cluster_id")
    return {"cluster_id": found} if isinstance(found, str) and found else {}


def _summed_up(action: object, result: dict[str, Any]) -> dict[str, list[str]]:
    """Return the lines in which an action that works on all nodes sums up what it did."""
    lines = result.get("summary")
    if action != "emr_node_apply" or not isinstance(lines, list):
        return {}
    return {"lines": [line for line in lines if isinstance(line, str)]}


def _nodes(action: object, result: dict[str, Any]) -> dict[str, Any]:
    """Return the state of each item on each node."""
    nodes = result.get("nodes")
    if action != "emr_node_apply" or not isinstance(nodes, dict):
        return {}
    return {
        "nodes": {
            name: {
                "state": node["state"],
                "message": _problem(node),
                "items": {one["item"]: one["state"] for one in node["items"]},
            }
            for name, node in nodes.items()
        }
    }


def _problem(node: dict[str, Any]) -> str:
    failed = [f"{one['item']}: {one['message']}" for one in node["items"] if one["state"] == "failed"]
    return failed[0] if failed else str(node["message"])


def _notes(action: object, result: dict[str, Any]) -> dict[str, list[str]]:
    """Return what one of kiln's own modules has to say to people."""
    notes = result.get("notes") if action in OWN_ACTIONS else None
    if not isinstance(notes, list):
        return {}
    lines = [one for one in notes if isinstance(one, str)]
    return {"notes": lines} if lines else {}


def _failure(action: object, result: dict[str, Any]) -> dict[str, Any]:
    """Return what a failed task said; an item's failure in a loop stands in `results`."""
    items = result.get("results")
    of_items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    inner = next((item for item in of_items if item.get("failed")), result)
    if "censored" in inner:
        return {"message": "its output is hidden, because it holds secrets"}
    said = [str(inner.get(key) or "").strip() for key in ("msg", "stderr", "module_stderr")]
    text = "\n".join(part for part in said if part) or "no message"
    return {"message": text} | (_own_failure(inner) if action in OWN_ACTIONS else {})


def _own_failure(result: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of kiln's own failure (`report.failure`), or nothing when it is not one."""
    keys = ("exit_code", "failure_class", "message", "fix", "details")
    code, failure_class, message, fix, details = (result.get(key) for key in keys)
    is_whole = (
        type(code) is int
        and code in _FAILURE_CODES
        and isinstance(failure_class, str)
        and failure_class in _CLASSES
        and isinstance(message, str)
        and isinstance(fix, str)
        and isinstance(details, list)
        and all(isinstance(line, str) for line in details)
    )
    return {key: result[key] for key in keys} if is_whole else {}
