"""`kiln diagnose`: why a step or a playbook failed, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.commands import chosen, failed_phase, shared
from kiln.diagnosis import diagnose
from kiln.display import failure, terminal

if TYPE_CHECKING:
    import argparse

    from kiln.commands.chosen import Chosen
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
    cause = diagnose.cause_of(asked.context.effects, cluster, step, shared.ssh_of(asked.access, cluster.id))
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


def _show_phase(arguments: argparse.Namespace, asked: Chosen, run: Run, phase: Phase) -> int:
    lines = failed_phase.lines(run, phase)
    commands = failed_phase.next_commands(asked.known.identity, phase, live=asked.known.is_live)
    if failure.wants_json(arguments):
        head = {"version": 1, "kind": "diagnose", "phase": phase.name}
        terminal.out_json(head | {"lines": lines, "next": commands})
        return 0
    terminal.out(f"phase {phase.name} of run {run.run_id}: failed after {phase.seconds:.0f} s")
    for line in lines:
        terminal.out(f"  {line}")
    for command in commands:
        terminal.out(f"  next  {command}")
    return 0
