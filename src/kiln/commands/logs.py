"""`kiln logs`: a step's logs, the driver's first."""

from __future__ import annotations

import codecs
import shlex
import subprocess
import threading
from typing import TYPE_CHECKING

from kiln.commands import chosen, shared
from kiln.diagnosis import logs, node_logs, places
from kiln.display import failure, terminal
from kiln.emr import states, steps
from kiln.errors import ClusterNotFoundError

if TYPE_CHECKING:
    import argparse
    from typing import IO

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.diagnosis.ssh import Ssh

_LINE_BYTES = 64 * 1024


def main(arguments: argparse.Namespace) -> int:
    """Print a step's logs, the driver's first."""
    asked = chosen.run(arguments)
    context = asked.context
    cluster, step = asked.step(arguments.step, failed_first=False, number=arguments.number)
    ssh = shared.ssh_of(asked.access, cluster.id)
    if arguments.follow and step.state not in states.STEP_ENDED:
        return _follow(context, cluster, step, ssh)
    found = _found(context, cluster, step, ssh)
    if failure.wants_json(arguments):
        terminal.out_json(chosen.described("logs", cluster, step) | {"logs": found})
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
    for place in places.of_cluster(context.effects, cluster, ssh):
        step_logs = place.step(step.id)
        application = logs.application_of(step_logs)
        driver = place.driver(application) if application else []
        if step_logs or driver:
            return [*driver, *step_logs]
    return []


def _follow(context: Context, cluster: Cluster, step: Step, ssh: Ssh) -> int:
    """Show what the step writes, as it writes it, until it ends."""
    masters = [node for node in context.effects.list_instances(cluster.id) if node.group == "MASTER"]
    if not masters:
        raise ClusterNotFoundError(f"cluster {cluster.id} has no master to read from")
    folder = f"{node_logs.STEPS_FOLDER}/{shlex.quote(step.id)}"
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
