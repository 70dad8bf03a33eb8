"""`kiln ssh`: a shell, or one command, on a node of a run's cluster."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, NoReturn

from kiln import private
from kiln.commands import live_cluster, shared
from kiln.display import failure, terminal
from kiln.emr import node_choice
from kiln.errors import PreflightError
from kiln.settings.model import Access

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Become ssh: its exit code is the command's. With -o json only show the command line."""
    live = live_cluster.find(arguments, Access)
    node = node_choice.chosen(live.context, live.cluster.id, arguments.node)
    ssh = shared.ssh_of(live.context, live.account, live.cluster.id).knowing([node])
    private.folder(ssh.known_hosts.folder)
    # With somebody at the terminal, ssh may ask for the passphrase of a key.
    ask = ("-o", "BatchMode=no") if sys.stdin.isatty() else ()
    command = ssh.command(node.private_ip_address, *arguments.words, first=ask)
    if not failure.wants_json(arguments):
        _become(command)
    head = {"version": 1, "kind": "ssh", "cluster_id": live.cluster.id, "command": command}
    terminal.out_json(head | {"instance_id": node.ec2_instance_id, "address": node.private_ip_address})
    return 0


def _become(command: list[str]) -> NoReturn:
    program = shutil.which(command[0])
    if program is None:
        raise PreflightError("there is no ssh on this machine", fix="install OpenSSH's client")
    sys.stdout.flush()
    os.execv(program, command)  # noqa: S606  # nothing of a shell is wanted
