"""`kiln vault init`: what a local environment needs to hand secrets out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import cli, paths, terminal, vault
from kiln.commands import world

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Make what is missing."""
    root = paths.checkout()
    added = vault.init(root, arguments.env)
    file = paths.vault_file(root, arguments.env)
    if cli.wants_json(arguments):
        world.print_json(
            {"version": 1, "kind": "vault", "environment": arguments.env, "vault": str(file), "added": added}
        )
    else:
        what = f"{', '.join(added)} generated" if added else "nothing to do"
        terminal.err(f"vault/{arguments.env}.yml: {what}")
    return 0
