"""A playbook's process while it runs: its events are reported and kept, and it is ended in time."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from kiln.errors import DeadlineError
from kiln.identity import CLUSTER_ID
from kiln.playbooks.events import PROVISIONED, Event, event_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.phases import Phase
    from kiln.playbooks.supervision import Supervision

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 10.0


@dataclass
class Running:
    """A playbook that has been started, and what has come of it until now."""

    phase: Phase
    child: subprocess.Popen[str]
    lines: queue.SimpleQueue[str | None]
    failures: list[Event] = field(default_factory=list)
    # Items that were changed on a node, and "" for what other tasks have changed.
    changed: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    is_over: bool = False

    def handle(self, event: Event, supervision: Supervision) -> None:
        """Report an event, and keep what it says about the outcome."""
        lines = tuple(line for line in event.lines if line not in self.shown)
        self.shown.update(event.lines)
        self.changed.update(event.changed)
        if event.event == "changed" and not event.nodes:
            self.changed.add("")
        _report(msgspec.structs.replace(event, lines=lines), supervision, self.failures)


def follow(one: Running, phase: Phase, supervision: Supervision, *, until: Callable[[Event], bool]) -> None:
    """Handle the events of a playbook until one is reached, or the playbook is over."""
    ends_at = time.monotonic() + supervision.seconds
    while not one.is_over:
        event = _next(one.lines, supervision)
        if event is None:
            one.is_over = True
            return
        one.handle(event, supervision)
        if until(event):
            return
        _check_time(phase.name, supervision, ends_at)
        supervision.tick()


def never(_event: Event) -> bool:
    """Follow a playbook to its end."""
    return False


def is_provisioned(event: Event) -> bool:
    """Return whether all nodes are done with what provision puts on them."""
    own = [done for label, done in event.done.items() if label in PROVISIONED]
    return event.event == "progress" and all(done >= event.total for done in own)


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


def lines_of(child: subprocess.Popen[str]) -> queue.SimpleQueue[str | None]:
    """Return the lines of a process as they come, and None at its end."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert child.stdout is not None  # noqa: S101  # PIPE
        with child.stdout as stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _report(event: Event, supervision: Supervision, failures: list[Event]) -> None:
    reporter = supervision.reporter
    if CLUSTER_ID.fullmatch(event.cluster_id):
        supervision.on_cluster(event.cluster_id)
    if event.nodes:
        supervision.on_nodes(event.nodes)
    if event.event == "progress":
        reporter.now(_far(event))
    elif event.event == "task":
        reporter.now(event.task)
    elif event.event == "failed":
        failures.append(event)
    of_host = {"changed": event.task, "failed": f"{event.task}: FAILED"}.get(event.event)
    own = [f"{event.host}: {of_host}"] if of_host and not event.nodes else []
    for line in (*event.notes, *(event.lines or own)):
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


def end(child: subprocess.Popen[str]) -> None:
    """End the playbook's process, which ends all that it started."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
