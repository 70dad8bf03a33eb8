"""The process that runs one playbook through ansible-runner, and ends all that it started when it goes.

`python -m kiln.playbook_process` reads one JSON document from stdin (see `Order`) and writes one JSON line an
event to stdout. It asks the kernel to be told when its driver dies, and to inherit orphans, so that no
worker of Ansible and no module outlives it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any, TypedDict

from kiln.exit_codes import ExitCode

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_FAILURE_CODES = frozenset(ExitCode) - {ExitCode.OK}
# What runs on the control host. Results of all other tasks are made on a node, and may say anything.
OWN_ACTIONS = frozenset(
    {
        "emr_cluster",
        "emr_cluster_info",
        "emr_node_digest",
        "emr_node_lock_file",
        "emr_step",
        "emr_target_nodes",
        "kiln_check",
        "model_repo_archive",
        "node_secrets_file",
    }
)
_QUIET_EVENTS = frozenset({"runner_on_skipped", "runner_item_on_skipped"})


class Order(TypedDict):
    """What to run. All paths are absolute; `log` gets Ansible's own output."""

    checkout: str
    playbook: str
    inventory: str
    arguments: list[str]
    folder: str
    log: str
    environment: dict[str, str]


def main() -> int:
    """Run the playbook; return ansible-playbook's exit code."""
    driver = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    cancelled = threading.Event()
    threading.Thread(target=_end_when, args=(cancelled,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != driver:
        return 1
    order: Order = json.loads(sys.stdin.read())
    try:
        return _run(order)
    finally:
        end_descendants(os.getpid())


def _end_when(cancelled: threading.Event) -> None:
    """End everything at once: a module that is about to launch a cluster must not get another second."""
    cancelled.wait()
    end_descendants(os.getpid())
    os._exit(128 + signal.SIGTERM)


def _run(order: Order) -> int:
    import ansible_runner  # noqa: PLC0415  # after the signals are set: it takes 60 ms

    with Path(order["log"]).open("a") as log:
        Path(order["log"]).chmod(0o600)

        def handle(event: dict[str, Any]) -> bool:
            text = event.get("stdout")
            if text:
                log.write(text + "\n")
                log.flush()
            line = event_line(event)
            if line:
                _say(line)
            return False  # no file for each event

        runner = ansible_runner.run(
            private_data_dir=order["folder"],
            project_dir=order["checkout"],
            playbook=order["playbook"],
            inventory=order["inventory"],
            cmdline=shlex.join(order["arguments"]),
            envvars=order["environment"],
            suppress_env_files=True,
            quiet=True,
            event_handler=handle,
            settings={"pexpect_timeout": 1, "idle_timeout": 0},
        )
    _say({"event": "end", "status": str(runner.status), "code": int(runner.rc)})
    return int(runner.rc)


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201  # the driver reads it


def event_line(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the driver is told about an event of ansible-runner; None for what it need not know."""
    kind, data = event.get("event", ""), event.get("event_data", {})
    if kind == "playbook_on_task_start":
        return {"event": "task", "task": data.get("task", ""), "play": data.get("play", "")}
    where = {"task": data.get("task", ""), "host": data.get("host", "")}
    result, action = data.get("res") or {}, data.get("task_action")
    launched = _launched(action, result)
    if kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        return {"event": "failed"} | where | launched | _failure(action, result)
    if kind == "runner_on_ok" and result.get("changed"):
        return {"event": "changed"} | where | launched
    return {"event": "cluster"} | launched if launched else None


def _launched(action: object, result: dict[str, Any]) -> dict[str, str]:
    """Return the id of the cluster that a launch has come to, also when it failed after that."""
    if action != "emr_cluster":
        return {}
    cluster = result.get("cluster")
    found = (cluster.get("id") if isinstance(cluster, dict) else None) or result.get("cluster_id")
    return {"cluster_id": found} if isinstance(found, str) and found else {}


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
    """Return the parts of kiln's own failure (`modules.report.failure`), or nothing when it is not one."""
    code, message, fix, details = (result.get(key) for key in ("exit_code", "message", "fix", "details"))
    is_whole = (
        type(code) is int
        and code in _FAILURE_CODES
        and isinstance(message, str)
        and isinstance(fix, str)
        and isinstance(details, list)
        and all(isinstance(line, str) for line in details)
    )
    return {"exit_code": code, "message": message, "fix": fix, "details": details} if is_whole else {}


def _parents() -> dict[int, int]:
    """Return pid -> parent's pid of all processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                found[int(entry.name)] = int(after_name[1])
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes that come from `pid`, children before grandchildren."""
    parents, found = _parents(), [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]


def end_descendants(pid: int) -> None:
    """Kill what comes from `pid` until nothing is left. Workers of Ansible have sessions of their own."""
    for _ in range(20):
        left = descendants(pid)
        if not left:
            return
        for one in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    sys.exit(main())
