"""`kiln diagnose`: why a step or a playbook failed, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.commands import chosen, failed_phase, shared
from kiln.diagnosis import bootstrap, diagnose
from kiln.display import failure, terminal
from kiln.errors import KilnError

if TYPE_CHECKING:
    import argparse

    from kiln.commands.chosen import Chosen
    from kiln.diagnosis.cause import Cause
    from kiln.ledger.schema import Phase, Run


def main(arguments: argparse.Namespace) -> int:
    """Show the cause."""
    asked = chosen.run(arguments)
    phase = (
        None
        if arguments.step or arguments.number
        else failed_phase.of_run(asked.known.run, live=asked.known.is_live)
    )
    if asked.known.run and phase:
        return _show_phase(arguments, asked, asked.known.run, phase)
    cluster, step = asked.step(arguments.step, failed_first=True, number=arguments.number)
    ssh = shared.ssh_of(asked.context, asked.access, cluster.id)
    cause = diagnose.cause_of(asked.context.effects, cluster, step, ssh)
    if failure.wants_json(arguments):
        found = {"cause": cause.summary(), "lines": cause.lines}
        terminal.out_json(chosen.described("diagnose", cluster, step) | found)
        return 0
    terminal.out(cause.headline)
    if cause.advice:
        terminal.out(f"  fix: {cause.advice}")
    terminal.out(f"  step {step.name} ({step.id}) of cluster {cluster.id} ({cluster.state}): {step.state}")
    for line in cause.lines:
        terminal.out(f"  {line}")
    return 0


def _of_launch(asked: Chosen, run: Run) -> Cause | None:
    """Return what a bootstrap action of the run's last cluster failed with, if one did."""
    try:
        cluster = asked.context.effects.describe_cluster(run.cluster_ids[-1]) if run.cluster_ids else None
        return bootstrap.cause_of(asked.context.effects, cluster) if cluster else None
    except KilnError:
        return None


def _show_phase(arguments: argparse.Namespace, asked: Chosen, run: Run, phase: Phase) -> int:
    cause = _of_launch(asked, run) if phase.name == phases.LAUNCH.name else None
    if cause is not None and cause.headline not in phase.message:
        # The logs came later than the launch waited for them.
        phase.message, phase.fix = f"{phase.name}: {cause.headline}", cause.advice
        phase.details = [*cause.lines, *phase.details]
    lines = failed_phase.lines(run, phase)
    commands = failed_phase.next_commands(asked.known.identity, phase, live=asked.known.is_live)
    if failure.wants_json(arguments):
        head = {"version": 1, "kind": "diagnose", "phase": phase.name}
        found = cause.summary() if cause else {"kind": "phase", "headline": lines[0], "advice": phase.fix}
        terminal.out_json(head | {"cause": found, "lines": lines, "next": commands})
        return 0
    terminal.out(lines[0])
    terminal.out(f"  phase {phase.name} of run {run.run_id}: failed after {phase.seconds:.0f} s")
    for line in lines[1:]:
        terminal.out(f"  {line}")
    for command in commands:
        terminal.out(f"  next  {command}")
    return 0
