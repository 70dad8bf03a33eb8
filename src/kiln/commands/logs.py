"""`kiln logs`: a step's logs, the driver's first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.commands import chosen, follow, shared
from kiln.diagnosis import logs, places
from kiln.display import failure, terminal
from kiln.emr import states

if TYPE_CHECKING:
    import argparse

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.diagnosis.ssh import Ssh


def main(arguments: argparse.Namespace) -> int:
    """Print a step's logs, the driver's first."""
    asked = chosen.run(arguments)
    context = asked.context
    cluster, step = asked.step(arguments.step, failed_first=False, number=arguments.number)
    ssh = shared.ssh_of(context, asked.access, cluster.id)
    if arguments.follow and step.state not in states.STEP_ENDED:
        return follow.follow(context, cluster, step, ssh)
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
