"""Run a playbook in a process of its own, report its changes, and turn its failure into one error."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from kiln.errors import DeadlineError
from kiln.identity import CLUSTER_ID
from kiln.playbooks.events import Event, event_of
from kiln.playbooks.failures import failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kiln.phases import Phase
    from kiln.playbooks.events import NodeSeen
    from kiln.reporter import Reporter
    from kiln.stop import Stop

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 10.0


def _nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """What goes on beside a playbook: who gets its reports, what ends it, for how many `seconds` it may run.

    `tick` is called again and again. `on_cluster` gets the id of a cluster as soon as a task has launched it,
    `on_nodes` what emr_node_apply has done on each node or, in check mode, has found there.
    """

    reporter: Reporter
    stop: Stop
    seconds: float
    tick: Callable[[], None] = _nothing
    on_cluster: Callable[[str], None] = _nothing
    on_nodes: Callable[[Mapping[str, NodeSeen]], None] = _nothing


class Playbooks(Protocol):
    """What the run needs of Ansible."""

    def run(self, phase: Phase, arguments: list[str], supervision: Supervision) -> bool:
        """Run playbooks/<name>.yml of a phase; return whether any task changed something.

        Raises PlaybookError, InterruptedRunError, DeadlineError.
        """


class AnsibleRunner(msgspec.Struct, frozen=True, kw_only=True):
    """The real playbooks. Output goes to <folder>/<name>.log, only changes are reported.

    `environment` is the whole environment; `vault_password_file` is handed over when it exists.
    """

    root: Path
    inventory: Path
    folder: Path
    environment: Mapping[str, str]
    vault_password_file: Path

    def run(self, phase: Phase, arguments: list[str], supervision: Supervision) -> bool:
        """Run it to its end, or end it when a signal comes or its time is over."""
        ends_at = time.monotonic() + supervision.seconds
        child = self._start(phase.name, arguments)
        lines = _lines_of(child)
        failures: list[Event] = []
        changed = False
        try:
            while (event := self._next(lines, supervision)) is not None:
                _handle(event, supervision, failures)
                changed |= event.event == "changed"
                _check_time(phase.name, supervision, ends_at)
                supervision.tick()
        except BaseException:
            _end(child)
            raise
        if child.wait() != 0:
            raise failure_of(phase, failures, self.log_file(phase.name), self.root)
        return changed

    def log_file(self, name: str) -> Path:
        """Return the file of a playbook's output."""
        return self.folder / f"{name}.log"

    def _start(self, name: str, arguments: list[str]) -> subprocess.Popen[str]:
        vault = self.vault_password_file
        order = {
            "checkout": str(self.root),
            "playbook": str(self.root / "playbooks" / f"{name}.yml"),
            "inventory": str(self.inventory / "hosts.yml"),  # nodes come from EMR, see the role emr_target
            "arguments": arguments + (["--vault-password-file", str(vault)] if vault.is_file() else []),
            "folder": str(self.folder / "ansible" / name),
            "log": str(self.log_file(name)),
            "environment": {
                "ANSIBLE_CONFIG": self.environment["ANSIBLE_CONFIG"],
                "ANSIBLE_NOCOLOR": "1",
                # ansible-runner turns it off unless it is set: a changed key of a node would go unnoticed.
                "ANSIBLE_HOST_KEY_CHECKING": "True",
                # ansible-runner's own callback builds upon this one; it does not read ansible.cfg.
                "ANSIBLE_STDOUT_CALLBACK": "kiln_nodes",
                "ANSIBLE_CALLBACK_PLUGINS": str(self.root / "plugins/callback"),
            },
        }
        (self.folder / "ansible" / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log_file(name).open("a") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "kiln.playbooks.process"],
                cwd=self.root,
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # A Ctrl-C on the terminal is the driver's to handle.
                start_new_session=True,
            )
        assert child.stdin is not None  # noqa: S101  # PIPE
        child.stdin.write(json.dumps(order))
        child.stdin.close()
        return child

    @staticmethod
    def _next(lines: queue.SimpleQueue[str | None], supervision: Supervision) -> Event | None:
        """Return the next event, an empty one when nothing has happened for a moment, None at the end."""
        supervision.stop.check()
        try:
            line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return Event()
        if line is None:
            return None
        return event_of(line)


def _lines_of(child: subprocess.Popen[str]) -> queue.SimpleQueue[str | None]:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert child.stdout is not None  # noqa: S101  # PIPE
        with child.stdout as stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _handle(event: Event, supervision: Supervision, failures: list[Event]) -> None:
    reporter = supervision.reporter
    if CLUSTER_ID.fullmatch(event.cluster_id):
        supervision.on_cluster(event.cluster_id)
    if event.event == "progress":
        reporter.now(_far(event))
        return
    if event.nodes:
        supervision.on_nodes(event.nodes)
    for note in event.notes:
        reporter.line(note)
    if event.event == "task":
        reporter.now(event.task)
    elif event.event == "changed":
        for line in event.lines or (f"{event.host}: {event.task}",):
            reporter.line(line)
    elif event.event == "failed":
        failures.append(event)
        for line in event.lines or (f"{event.host}: {event.task}: FAILED",):
            reporter.line(line)


def _far(event: Event) -> str:
    """Return `packages 20/20, environment 3/20 nodes`, of what is not done everywhere; else that all is."""
    left = [f"{label} {done}/{event.total}" for label, done in event.done.items() if done < event.total]
    return f"{', '.join(left)} nodes" if left else f"{event.total} nodes are done"


def _check_time(name: str, supervision: Supervision, ends_at: float) -> None:
    if time.monotonic() >= ends_at:
        raise DeadlineError(
            f"{name} was stopped: the run reached its deadline (it had {supervision.seconds:.0f} s left)",
            fix="raise kiln_run_timeout_seconds, or find the phase that took the time",
        )


def _end(child: subprocess.Popen[str]) -> None:
    """End the playbook's process, which ends all that it started."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
