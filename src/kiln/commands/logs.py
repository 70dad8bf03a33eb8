"""`kiln logs` and the search for a step that it shares with `kiln diagnose`."""

from __future__ import annotations

import codecs
import os
import shlex
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from kiln import paths, run_ids
from kiln.commands import shared
from kiln.diagnosis import logs
from kiln.display import failure, terminal
from kiln.emr import states, steps
from kiln.errors import ClusterNotFoundError, UsageError
from kiln.settings import resolve
from kiln.settings.model import Access

if TYPE_CHECKING:
    import argparse
    from typing import IO

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.diagnosis.ssh import Ssh

_LINE_BYTES = 64 * 1024


def main(arguments: argparse.Namespace) -> int:
    """Print a step's logs, the driver's first."""
    context, access, cluster, step = chosen(arguments, failed_first=False)
    ssh = shared.ssh_of(access, cluster.id)
    if arguments.follow and step.state not in states.STEP_ENDED:
        return _follow(context, cluster, step, ssh)
    found = _found(context, cluster, step, ssh)
    if failure.wants_json(arguments):
        shared.print_json(described("logs", cluster, step) | {"logs": found})
        return 0
    for log in found:
        terminal.err(f"==> {log.address} <==")
        if log.note:
            terminal.err(f"    ({log.note})")
        terminal.out_text(log.text)
    if not found:
        terminal.err(f"no logs of step {step.name} yet (S3 gets them every few minutes)")
    return 0


def _found(context: Context, cluster: Cluster, step: Step, ssh: Ssh) -> list[logs.Log]:
    for place in logs.sources(context.effects, cluster, ssh):
        step_logs = place.step(step.id)
        application = logs.application_of(step_logs)
        driver = place.driver(application) if application else []
        if step_logs or driver:
            return [*driver, *step_logs]
    return []


def chosen(arguments: argparse.Namespace, *, failed_first: bool) -> tuple[Context, Access, Cluster, Step]:
    """Return the step that is meant: the named one, else the one that failed, else the last."""
    run_id = run_ids.given(arguments.run_id, os.environ)
    question = resolve.Question(root=paths.checkout(), environment=arguments.env, pipeline=arguments.pipeline)
    access = resolve.part(question, Access)
    context = shared.context_of(access)
    known = shared.find_run(context, access, arguments.env, arguments.pipeline, run_id)
    found = [
        (cluster_id, step)
        for cluster_id in known.cluster_ids
        for step in steps.listed_if_any(context, cluster_id)
        if arguments.step in {None, step.name, step.id}
    ]
    if not found:
        if arguments.step:
            raise UsageError(f"run {known.identity.run_id} has no step {arguments.step}")
        raise ClusterNotFoundError(f"run {known.identity.run_id} has no steps yet")
    failed = [pair for pair in found if pair[1].state in {"FAILED", "INTERRUPTED", "CANCELLED"}]
    cluster_id, step = (failed or found)[-1] if failed_first else found[-1]
    return context, access, context.effects.describe_cluster(cluster_id), step


def described(kind: str, cluster: Cluster, step: Step) -> dict[str, Any]:
    """Return the head of the JSON of a command that is about one step."""
    return {
        "version": 1,
        "kind": kind,
        "cluster_id": cluster.id,
        "cluster_state": cluster.state,
        "step": step.name,
        "step_id": step.id,
        "state": step.state,
    }


def _follow(context: Context, cluster: Cluster, step: Step, ssh: Ssh) -> int:
    """Show what the step writes, as it writes it, until it ends."""
    masters = [node for node in context.effects.list_instances(cluster.id) if node.group == "MASTER"]
    if not masters:
        raise ClusterNotFoundError(f"cluster {cluster.id} has no master to read from")
    folder = f"{logs.STEPS_FOLDER}/{shlex.quote(step.id)}"
    script = f"sudo -n tail -n +1 -F {folder}/stderr {folder}/stdout"
    child = subprocess.Popen(
        ssh.command(masters[0].private_ip_address, script),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None  # noqa: S101  # PIPE
    copy = _Copy(child.stdout)
    copy.start()
    try:
        while copy.is_alive():
            seen = steps.seen_if_any(context, cluster.id, step.id)
            if seen is not None and seen.state in states.STEP_ENDED:
                context.clock.wait(1.0, context.stop.event)
                terminal.err(f"step {step.name}: {seen.state}")
                break
            context.clock.wait(2.0, context.stop.event)
    finally:
        child.terminate()
        child.wait()
        copy.join()
    if copy.error is not None:
        raise copy.error
    return 0


class _Copy(threading.Thread):
    """Shows what a stream of logs brings, line by line, as it comes; `error` is why that ended early."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.error: OSError | None = None

    def run(self) -> None:
        """Copy until the stream ends or nobody reads the copy."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            # A line without an end must not fill the memory.
            while part := self._stream.readline(_LINE_BYTES):
                terminal.out_text(decoder.decode(part))
        except OSError as error:
            self.error = error
