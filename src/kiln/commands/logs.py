"""`kiln logs`: a step's logs, the driver's first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kiln.commands import chosen, follow, shared
from kiln.commands.followed_steps import FollowedSteps
from kiln.diagnosis import logs, places
from kiln.display import failure, terminal
from kiln.emr import states, steps
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    import argparse

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.commands.chosen import Chosen
    from kiln.diagnosis.ssh import Ssh


def main(arguments: argparse.Namespace) -> int:
    """Print a step's logs, the driver's first; with -f those of active steps as they grow."""
    asked = chosen.run(arguments)
    context = asked.context
    names = [word.strip() for word in (arguments.step or "").split(",") if word.strip()]
    if arguments.follow and arguments.number is None and (active := _active(asked, names)):
        return _follow(asked, *active, names, all_files=arguments.all_files)
    cluster, step = asked.step(arguments.step, failed_first=False, number=arguments.number)
    ssh = shared.ssh_of(context, asked.access, cluster.id)
    if arguments.follow and step.state not in states.STEP_ENDED:
        return _follow(asked, cluster.id, [step], [step.id], all_files=arguments.all_files)
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


def _active(asked: Chosen, names: list[str]) -> tuple[str, list[Step]] | None:
    """Return the last cluster on which such steps are active, and these."""
    found = [
        (cluster_id, step)
        for cluster_id, step in asked.steps()
        if step.state not in states.STEP_ENDED and (not names or step.name in names or step.id in names)
    ]
    last = found[-1][0] if found else ""
    return (last, [step for cluster_id, step in found if cluster_id == last]) if found else None


def _follow(asked: Chosen, cluster_id: str, active: list[Step], names: list[str], *, all_files: bool) -> int:
    context, known = asked.context, asked.known
    ledger = Ledger(context.effects, context.clock, asked.access.kiln_state_uri, known.identity)
    follow.Follower(
        context=context,
        cluster=context.effects.describe_cluster(cluster_id),
        ssh=shared.ssh_of(context, asked.access, cluster_id),
        more=FollowedSteps(context, ledger, cluster_id, active, names),
        look=partial(steps.seen_by_id, context, cluster_id),
        own_files=logs.STEP_FILES if all_files else follow.OWN_FILES,
        containers=follow.EVERY_CONTAINER if all_files else follow.DRIVER,
    ).run()
    return 0


def _found(context: Context, cluster: Cluster, step: Step, ssh: Ssh) -> list[logs.Log]:
    for place in places.of_cluster(context.effects, cluster, ssh):
        step_logs = place.step(step.id)
        application = logs.application_of(step_logs)
        driver = place.driver(application) if application else []
        if step_logs or driver:
            return [*driver, *step_logs]
    return []
