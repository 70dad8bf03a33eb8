"""Bootstrap actions: scripts that run on every node before applications (docs/aws_facts.md 2.8)."""

from __future__ import annotations

import subprocess
import time
from typing import IO, TYPE_CHECKING

from emrbox.emr.life import endings
from emrbox.emr.life.endings import DOWNLOAD_FAILED, FailedNode
from emrbox.emr.life.layer import Checkpoint, StartFailureError
from emrbox.emr.machines.log_layout import BOOTSTRAP_FOLDER
from emrbox.emr.machines.node_access import NODE_ENVIRONMENT, Member, on_all
from emrbox.emr.machines.processes import kill_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.emr.life.model import BootstrapAction
    from emrbox.emr.machines.node_logs import NodeLogs

POLL_SECONDS = 0.05


def run_bootstrap_actions(
    actions: Sequence[BootstrapAction], members: Sequence[Member], check: Checkpoint, logs: NodeLogs
) -> None:
    """Run all actions on all nodes. Raises StartFailureError when one fails.

    Guess: EMR gives up when too many nodes have failed, and here one is too many while a cluster starts.
    """
    for number, action in enumerate(actions, 1):
        if failed := _failed(number, action, members, check, logs):
            nodes = [_failed_node(member, code) for member, code in failed]
            raise StartFailureError(endings.by_bootstrap_action(number, action, nodes))
    _complete(actions, members, logs)


def bootstrap_late_nodes(
    actions: Sequence[BootstrapAction], members: Sequence[Member], check: Checkpoint, logs: NodeLogs
) -> list[Member]:
    """Run all actions on nodes that were added later. Returns those that got through."""
    for number, action in enumerate(actions, 1):
        failed = {member.instance.id for member, _ in _failed(number, action, members, check, logs)}
        members = [member for member in members if member.instance.id not in failed]
    _complete(actions, members, logs)
    return list(members)


def _failed(
    number: int, action: BootstrapAction, members: Sequence[Member], check: Checkpoint, logs: NodeLogs
) -> list[tuple[Member, int]]:
    codes = on_all(lambda member: _run(member, number, action, check), members)
    failed = [(member, code) for member, code in zip(members, codes, strict=True) if code != 0]
    for member, code in failed:  # EMR's own words (seen)
        why = "was not fetched" if code == DOWNLOAD_FAILED else "failed with non-zero exit code"
        logs.bootstrap(member, f"failed to start. bootstrap action {number} {why}.", "ERROR")
    return failed


def _complete(actions: Sequence[BootstrapAction], members: Sequence[Member], logs: NodeLogs) -> None:
    for member in members if actions else ():
        logs.bootstrap(member, "all bootstrap actions complete")


def _failed_node(member: Member, code: int) -> FailedNode:
    return FailedNode(member.instance.ec2_id, code, is_master=member.is_master)


def _run(member: Member, number: int, action: BootstrapAction, check: Checkpoint) -> int:
    folder = f"{BOOTSTRAP_FOLDER}/{number}"
    work = f"/mnt/var/lib/bootstrap-actions/{number}"
    files = member.node.files
    for made in (folder, "/mnt/var/lib/bootstrap-actions", work):
        files.make_folder(made, "hadoop")
    with files.create(f"{folder}/controller") as controller:
        script = action.path
        if not script.startswith("/"):
            script = f"{work}/{action.path.rstrip('/').rpartition('/')[2]}"
            controller.write(f"INFO fetching {action.path}\n".encode())
            if not _fetch(member, action.path, script, controller, check):
                controller.write(b"ERROR could not fetch the script\n")
                return DOWNLOAD_FAILED
        controller.write(f"INFO running {script} {' '.join(action.args)}\n".encode())
        code = _execute(member, [script, *action.args], folder, work, check)
        controller.write(f"INFO ended with exit code {code}\n".encode())
        return code


def _fetch(member: Member, address: str, target: str, log: IO[bytes], check: Checkpoint) -> bool:
    if address.startswith("file:"):
        argv = ["cp", "/" + address.removeprefix("file:").lstrip("/"), target]
    else:
        argv = ["aws", "s3", "cp", "--only-show-errors", address, target]
    process = member.node.popen(
        ["sh", "-c", '"$@" && chmod 755 "$0"', target, *argv],
        user="hadoop",
        env=NODE_ENVIRONMENT,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return _wait(process, check) == 0


def _execute(member: Member, argv: list[str], folder: str, work: str, check: Checkpoint) -> int:
    files = member.node.files
    with files.create(f"{folder}/stdout") as out, files.create(f"{folder}/stderr") as err:
        process = member.node.popen(
            argv, user="hadoop", cwd=work, env=NODE_ENVIRONMENT, stdout=out, stderr=err
        )
        return _wait(process, check)


def _wait(process: subprocess.Popen[bytes], check: Checkpoint) -> int:
    """Wait for the process itself: scripts leave background loops that keep its output open."""
    try:
        while process.poll() is None:
            check()
            time.sleep(POLL_SECONDS)
    except BaseException:
        kill_tree(process)
        process.wait()
        raise
    return process.returncode
