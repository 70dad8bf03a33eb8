"""`kiln vault init`: an environment's vault, its password file and what is missing in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import paths
from kiln.display import failure, terminal
from kiln.settings import vault

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Make what is missing."""
    root = paths.checkout()
    made = vault.init(root, arguments.env)
    if failure.wants_json(arguments):
        file = paths.vault_file(root, arguments.env)
        head = {"version": 1, "kind": "vault", "environment": arguments.env, "vault": str(file)}
        terminal.out_json(head | {"added": made.generated, "missing": made.missing})
        return 0
    what = [f"{', '.join(made.generated)} generated"] if made.generated else []
    what += [f"{', '.join(made.missing)} missing"] if made.missing else []
    terminal.err(f"vault/{arguments.env}.yml: {'; '.join(what) or 'nothing to do'}")
    if made.missing:
        terminal.err(f"  fix: {vault.edit_command(root, arguments.env)}")
    return 0
