"""`kiln diagnose`: why a step failed, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.commands import shared
from kiln.commands.logs import chosen, described
from kiln.diagnosis import diagnose
from kiln.display import failure, terminal

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Show the cause."""
    context, access, cluster, step = chosen(arguments, failed_first=True)
    lines = diagnose.screen(context.effects, cluster, step, shared.ssh_of(access, cluster.id))
    if failure.wants_json(arguments):
        shared.print_json(described("diagnose", cluster, step) | {"lines": lines})
        return 0
    terminal.out(f"step {step.name} ({step.id}) of cluster {cluster.id} ({cluster.state}): {step.state}")
    for line in lines:
        terminal.out(f"  {line}")
    return 0
