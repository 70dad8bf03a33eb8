"""Snapshots of what a node does and has, every quarter of an hour: EMR's instance-state logs.

AWS re:Post, "Decoding Instance-State log in EMR", for the interval and what is in them; the titles and their
order have been seen (a public parser of such files, dpcomp-org's emr_stats.py). Those of the other sections,
and the first snapshot when the node is provisioned, are a guess.
"""

from __future__ import annotations

import logging
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr.machines.log_layout import STATE_FOLDER
from emrbox.emr.machines.node_access import on_all
from emrbox.errors import BoxError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.machines.node_access import Member

LOG = logging.getLogger(__name__)
INTERVAL = timedelta(minutes=15)
TIMEOUT_SECONDS = 20.0
# Title and command of each section. EMR's snapshots have more (iostat, dmesg, heaps of the JVMs).
SECTIONS = (
    ("when is this", "date"),
    ("how long has it been up", "uptime"),
    ("whats running", "ps auxwww"),
    ("Top CPU users", "ps auxwww --sort=-%cpu | head -20"),
    ("Top memory users", "ps auxwww --sort=-%mem | head -20"),
    ("whats memory usage look like", "free -m"),
    ("trend memory", "vmstat"),
    ("amount of disk free", "df -h"),
    ("amount of inodes free", "df -i"),
    ("network interfaces", "ip -s link"),
    ("network connections", "ss -s"),
)
SCRIPT = "export LC_ALL=C\n" + "".join(
    f"echo '# {title}'\necho '{command}'\n{command} 2>&1\necho\n" for title, command in SECTIONS
)


class InstanceState:
    """The snapshots of one cluster's nodes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quarter = _quarter(clock.now())

    def take_due(self, members: Sequence[Member]) -> None:
        """Take a snapshot of each node if a quarter of an hour has begun, named by its beginning."""
        quarter = _quarter(self._clock.now())
        if quarter > self._quarter:
            self._quarter = quarter
            self.take(members, quarter)

    def take(self, members: Sequence[Member], moment: datetime) -> None:
        """Take a snapshot of each node, named by a moment."""
        path = f"{STATE_FOLDER}/instance-state.log-{moment:%Y-%m-%d-%H-%M}"
        on_all(lambda member: _take(member, path), members)


def _take(member: Member, path: str) -> None:
    try:
        done = member.node.run(["sh", "-c", SCRIPT], timeout_seconds=TIMEOUT_SECONDS)
        member.node.files.write(path, done.stdout)
    # The node hangs, is full, has gone or has no root in /etc/passwd.
    except (OSError, KeyError, BoxError, subprocess.SubprocessError) as problem:
        LOG.warning("no snapshot of %s: %s", member.instance.ec2_id, problem)


def _quarter(now: datetime) -> datetime:
    minutes = int(INTERVAL.total_seconds() // 60)
    return now.replace(minute=now.minute // minutes * minutes, second=0, microsecond=0)
