"""Commands that errors advise: those of the program that was called, scripts/kiln or ansible-playbook."""

from __future__ import annotations

import os
import shlex

from kiln import paths


def is_by_hand() -> bool:
    """Return whether this Ansible module belongs to a playbook that somebody started, and not to kiln's.

    For modules only: scripts/kiln sets KILN_PROGRAM, and paths.clean_environment hands it to playbooks.
    """
    return "KILN_PROGRAM" not in os.environ


def action(name: str, environment: str, pipeline: str, run_id: str | None = None, *, by_hand: bool) -> str:
    """Return the command that does an action (launch, terminate, …) of a pipeline."""
    if by_hand:
        run = ("-e", f"run_id={run_id}") if run_id else ()
        inventory = ("-i", f"inventory/{environment}", f"playbooks/{name}.yml")
        return shlex.join(["ansible-playbook", *inventory, "-e", f"pipeline={pipeline}", *run])
    run = ("--run-id", run_id) if run_id else ()
    return paths.command("run", pipeline, name, "--env", environment, *run)


def run_option(*, by_hand: bool) -> str:
    """Return the option that names a run."""
    return "-e run_id=ID" if by_hand else "--run-id ID"
