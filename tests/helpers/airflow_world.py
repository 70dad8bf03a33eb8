"""A running Airflow, the local AWS behind its DAGs, and what people and crashes do to both."""

from __future__ import annotations

import email
import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from airflow_api import POLL_SECONDS

from kiln.emr.tags import HELD_UNTIL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    import boto3
    from airflow_api import AirflowApi
    from hollow_checkout import HollowCheckout
    from local_airflow import LocalAirflow
    from message_sinks import HttpSink, SmtpSink

    from emrbox.pytest_plugin import Box

Found = TypeVar("Found")
LIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")
POOL = "kiln"


class Mail(NamedTuple):
    """A mail as people read it."""

    subject: str
    text: str


@dataclass(frozen=True)
class AirflowWorld:
    """What the tests of the DAGs share."""

    airflow: LocalAirflow
    api: AirflowApi
    box: Box
    session: boto3.Session
    # Made once: threads share a client, and cannot share a session.
    emr: Any
    hollow: HollowCheckout
    smtp: SmtpSink
    webhook: HttpSink
    # What goes on beside the tests.
    beside: dict[Callable[[AirflowWorld], Any], Future[Any]] = field(default_factory=dict)
    # Runs, by DAG and id, whose clusters end when the clock moves: that waits for them.
    before_clock: Sequence[tuple[str, str]] = ()

    def after(self, done: Callable[[AirflowWorld], Found]) -> Found:
        """Wait for the function that a test's mark names; return what it returns."""
        found: Found = self.beside[done].result()
        return found

    def advance_hours(self, count: float) -> None:
        """Move the clock of the hollow clusters."""
        for dag, run in self.before_clock:
            self.api.wait_for_run(dag, run)
        self.box.advance(3600 * count)

    def held_until(self, cluster_id: str) -> str:
        """Return until when a cluster is held, by its tag."""
        described = self.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
        return str({tag["Key"]: tag["Value"] for tag in described["Tags"]}[HELD_UNTIL])

    def clusters(self, pipeline: str, run: str, *states: str) -> list[dict[str, Any]]:
        """Return the clusters of one run; of all states, or of some."""
        wanted: Any = {"ClusterStates": list(states)} if states else {}
        pages = self.emr.get_paginator("list_clusters").paginate(**wanted)
        found = [dict(cluster) for page in pages for cluster in page["Clusters"]]
        return [one for one in found if str(one["Name"]).endswith(f"-{pipeline}-{run}")]

    def steps(self, cluster_id: str) -> dict[str, str]:
        """Return the steps of a cluster, name -> state. Two of one name fail the test."""
        found = self.emr.list_steps(ClusterId=cluster_id)["Steps"]
        states: dict[str, str] = {step["Name"]: step["Status"]["State"] for step in found}
        assert len(states) == len(found), found
        return states

    def wait_for_step(self, pipeline: str, run: str, name: str, state: str = "RUNNING") -> str:
        """Wait until a step of the run is in a state; return the id of its cluster."""

        def is_there() -> bool:
            live = self.clusters(pipeline, run, *LIVE)
            return any(self.steps(one["Id"]).get(name) == state for one in live)

        # Two calls of EMR.
        self.api.until(is_there, explain=lambda: self.api.states(pipeline, run), every=2 * POLL_SECONDS)
        return str(self.clusters(pipeline, run, *LIVE)[0]["Id"])

    def mails(self, run: str) -> list[Mail]:
        """Return the mails about a run, in the order in which they came."""
        read = [email.message_from_bytes(mail.data, policy=policy.default) for mail in self.smtp.mails]
        # Lines of mails end with CR LF.
        texts = ["\n".join(str(mail.get_content()).splitlines()) + "\n" for mail in read]
        found = [Mail(str(mail["Subject"]), text) for mail, text in zip(read, texts, strict=True)]
        return [mail for mail in found if _run_line(run) in mail.text]

    def posts(self, run: str) -> list[str]:
        """Return what was posted to the webhook about a run."""
        texts = [str(json.loads(body)["text"]) for body in self.webhook.bodies]
        return [text for text in texts if _run_line(run) in text]

    def kill_worker(self, task: str, run: str, *, with_command: bool) -> None:
        """Kill the processes of Airflow that run a task, and Kiln's command with all that it has started."""
        commands = _commands(task, run)
        assert commands, f"{task} of {run} does not run"
        parents = {parent for one in commands for parent in _ancestors(one, self.scheduler_pid())}
        victims = parents - set(commands) | (set(commands) if with_command else set())
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def task_process(self, task: str, run: str) -> Path:
        """Return the folder in /proc of the Airflow process that has a task, the parent of Kiln's command."""
        return Path("/proc") / str(_parent(min(_commands(task, run))))

    def scheduler_pid(self) -> int:
        """Return the process id of the scheduler, whose children run the tasks."""
        return self.airflow.processes["scheduler"].pid


def times(rows: Iterable[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    """Return when each run or task began and ended, the first one first."""
    return sorted(
        (datetime.fromisoformat(one["start_date"]), datetime.fromisoformat(one["end_date"])) for one in rows
    )


def _run_line(run: str) -> str:
    """Return the line of a message that names its run."""
    return f"Run:       {run}\n"


def _commands(task: str, run: str) -> list[int]:
    """Return the processes of Kiln's command for a task of a run."""
    wanted = {f"AIRFLOW_CTX_TASK_ID={task}".encode(), f"AIRFLOW_CTX_DAG_RUN_ID={run}".encode()}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted <= set((folder / "environ").read_bytes().split(b"\0")):
                found.append(int(folder.name))
    return found


def _ancestors(pid: int, end: int) -> list[int]:
    """Return the processes between one and the ancestor `end`, neither of them included."""
    found = []
    parent = _parent(pid)
    while parent not in {0, 1, end}:
        found.append(parent)
        parent = _parent(parent)
    return found


def _parent(pid: int) -> int:
    listed = subprocess.run(
        ["ps", "-o", "ppid=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return int(listed.stdout.strip() or 0)
