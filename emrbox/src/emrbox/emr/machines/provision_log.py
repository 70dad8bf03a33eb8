"""What makes a node of a cluster out of an instance, line by line: EMR's logs of the phase "provision-node".

EMR provisions by Puppet, and people look for its files: puppet.log, and a report of each run, in folders by
the version of the configurations (EMR Release Guide, "Troubleshoot instance group reconfiguration";
Management Guide, "EMR cluster failed to provision"). Here they have what emrbox does.
"""

from __future__ import annotations

import gzip
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emrbox.emr.machines.log_layout import PROVISION_FOLDER
from emrbox.emr.machines.node_logs import append

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.machines.node_access import Member

NOTICE, ERROR = "notice", "err"
SOURCE = "emrbox"


class ProvisionLog:
    """The log of one run on one node. A node that cannot be written to gets none."""

    def __init__(self, member: Member, clock: Clock, version: int) -> None:
        self._member = member
        self._clock = clock
        self._began = clock.now()
        self._lines: list[tuple[datetime, str, str]] = []
        self._lock = threading.Lock()
        run = str(uuid.uuid4())
        host = member.instance.private_dns
        self._log = f"{PROVISION_FOLDER}/apps-phase/{version}/{run}/puppet.log"
        self._report = f"{PROVISION_FOLDER}/reports/{version}/{run}/{host}/{self._began:%Y%m%d%H%M}.yaml.gz"

    def note(self, text: str, level: str = NOTICE) -> None:
        """Write a line, now."""
        now = self._clock.now()
        with self._lock:
            self._lines.append((now, level, text))
            line = f"{now:%Y-%m-%d %H:%M:%S} +0000 {SOURCE} ({level}): {text}\n"
            append(self._member, self._log, line.encode())

    def close(self) -> None:
        """Write the report."""
        seconds = (self._clock.now() - self._began).total_seconds()
        self.note(f"Applied in {seconds:.2f} seconds")
        is_failed = any(level == ERROR for _, level, _ in self._lines)
        head = f"---\nhost: {self._member.instance.private_dns}\ntime: {_quoted(_time(self._began))}\n"
        status = f"status: {'failed' if is_failed else 'changed'}\nlogs:\n"
        text = head + status + "".join(_entry(*line) for line in self._lines)
        append(self._member, self._report, gzip.compress(text.encode()))


@contextmanager
def provisioning(
    members: Sequence[Member], clock: Clock, version: int = 0
) -> Iterator[dict[str, ProvisionLog]]:
    """Give the logs of one run on these nodes, by instance; what is raised is in all of them."""
    logs = {member.instance.id: ProvisionLog(member, clock, version) for member in members}
    try:
        yield logs
    except BaseException as problem:
        for log in logs.values():
            log.note(f"{type(problem).__name__}: {problem}", ERROR)
        raise
    finally:
        for log in logs.values():
            log.close()


def _entry(moment: datetime, level: str, text: str) -> str:
    """Return a line of a report in the form of releases since 5.32 and 6.2."""
    return (
        f"- level: {level}\n  message: {_quoted(text)}\n  source: {SOURCE}\n  tags:\n  - {level}\n"
        f"  time: {_quoted(_time(moment))}\n  file:\n  line:\n"
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f} +00:00"


def _quoted(text: str) -> str:
    """Return a text as YAML, on one line."""
    return "'" + " ".join(text.split()).replace("'", "''") + "'"
