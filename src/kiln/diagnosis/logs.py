"""One log of a step, and the places where logs are.

Layout (docs/aws_facts.md 3.2, 3.3): step files in /mnt/var/log/hadoop/steps/<step>/ on the master and
<LogUri>/<cluster>/steps/<step>/*.gz; containers in
/mnt/var/log/hadoop-yarn/containers/<application>/<container>/ on their node and
<LogUri>/<cluster>/containers/<application>/<container>/*.gz.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import msgspec

from kiln.diagnosis import unpack
from kiln.diagnosis.unpack import megabytes

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP_FILES = ("stderr", "stdout", "controller", "syslog")
APPLICATION = re.compile(r"Submitted application (application_\d{1,20}_\d{1,20})")
# What a driver writes when it starts: in the step's own files it is one in client mode.
CLIENT_MODE = "SparkContext: Running Spark version"
# As Spark's driver names the containers of its executors when they end.
_ENDED_CONTAINER = re.compile(r"\b(container_(?:e\d{1,9}_)?\d{1,20}_\d{1,9}_\d{1,4}_\d{1,9}) on host")
_MOST_CONTAINERS = 4
LIMITS = unpack.Limits()


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """One log: where it is, its text or the end of it, and what is not whole about it (empty when all is)."""

    address: str
    text: str
    note: str = ""


class Source(Protocol):
    """A place where logs are."""

    def step(self, step_id: str) -> list[Log]:
        """Return the files of a step; none when this place has none (yet)."""

    def driver(self, application: str) -> list[Log]:
        """Return the files of an application's first container, where a driver in cluster mode writes."""

    def executors(self, application: str, containers: Sequence[str]) -> list[Log]:
        """Return the files of these containers of executors; of the newest ones when none are named."""


def left_out(total: int, kept: int = LIMITS.kept) -> str:
    """Return what a log of this many bytes lacks because only its end is read; empty when nothing."""
    if total <= kept:
        return ""
    return f"the last {megabytes(kept)} of {megabytes(total)}; the rest is only there"


def application_of(step_logs: Sequence[Log]) -> str | None:
    """Return the YARN application that a step's client submitted, None in client mode."""
    found = [match for log in step_logs for match in APPLICATION.findall(log.text)]
    return found[-1] if found else None


def ended_containers(driver_logs: Sequence[Log]) -> list[str]:
    """Return the containers whose end a driver reports, the last ones: their own logs may say why."""
    found = [match for log in driver_logs for match in _ENDED_CONTAINER.findall(log.text)]
    return list(dict.fromkeys(reversed(found)))[:_MOST_CONTAINERS]
