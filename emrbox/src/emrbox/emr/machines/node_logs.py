"""What emrbox writes about its work into a node's logs, in the form of EMR's instance controller."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from emrbox.emr.machines.log_layout import BOOTSTRAP_FOLDER, CONTROLLER_FOLDER, LINKS

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.machines.node_access import Member

LOG = logging.getLogger(__name__)
CONTROLLER_LOG = f"{CONTROLLER_FOLDER}/instance-controller.log"
BOOTSTRAP_LOG = f"{BOOTSTRAP_FOLDER}/master.log"


class NodeLogs:
    """The instance controller's logs of one cluster's nodes. A node that cannot be written to gets none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def begin(self, member: Member) -> None:
        """Make EMR's own paths of the folders."""
        for link, folder in LINKS.items():
            member.node.files.make_folder(folder)
            member.node.files.link(link, folder)

    def controller(self, member: Member, text: str, level: str = "INFO") -> None:
        """Write a line into the instance controller's log."""
        self._write(member, CONTROLLER_LOG, text, level)

    def bootstrap(self, member: Member, text: str, level: str = "INFO") -> None:
        """Write a line into the log of all bootstrap actions, too."""
        self.controller(member, text, level)
        self._write(member, BOOTSTRAP_LOG, text, level)

    def _write(self, member: Member, path: str, text: str, level: str) -> None:
        line = f"{_time(self._clock.now())} {level} emrbox: {member.instance.ec2_id}: {text}\n"
        append(member, path, line.encode(errors="replace"))


def append(member: Member, path: str, data: bytes) -> None:
    """Append to a log of a node. One that cannot be written to gets a warning in the box's log instead."""
    try:
        member.node.files.append(path, data)
    # A full disk, or somebody has put something else there or taken root out of /etc/passwd.
    except (OSError, KeyError) as problem:
        LOG.warning("%s of %s: %s", path, member.instance.ec2_id, problem)


def _time(now: datetime) -> str:
    return f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03}"
