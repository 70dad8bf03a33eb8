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
APPLICATION = re.compile(r"Submitted application (application_\d+_\d+)")
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


def left_out(total: int) -> str:
    """Return what a log of this many bytes lacks because only its end is read; empty when nothing."""
    if total <= LIMITS.kept:
        return ""
    return f"the last {megabytes(LIMITS.kept)} of {megabytes(total)}; the rest is only there"


def application_of(step_logs: Sequence[Log]) -> str | None:
    """Return the YARN application that a step's client submitted, None in client mode."""
    found = [match for log in step_logs for match in APPLICATION.findall(log.text)]
    return found[-1] if found else None
