"""Logs of steps sent to CloudWatch Logs while a command waits for the steps: no code in the job.

`kiln logs -f` and this read logs by the same follower. Which steps there are, and how they are, is read from
the run's ledger, which the command itself writes: none of EMR's quota is used for it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from kiln.aws.context import Context
from kiln.aws.effects import Step
from kiln.clock import SystemClock
from kiln.commands import shared
from kiln.commands.follow import Follower
from kiln.diagnosis.log_stream import LogStream
from kiln.emr import states
from kiln.errors import InterruptedRunError, KilnError
from kiln.ledger.store import Ledger
from kiln.runs.step_terms import nothing_sent
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kiln.aws.effects import Cluster
    from kiln.identity import Identity
    from kiln.runs.step_terms import Ship
    from kiln.settings.model import Driver

_PREFIX = "CloudWatch Logs"
# For how long the last lines of ended steps may keep a command waiting, and one that is interrupted.
_LAST_SECONDS, _INTERRUPTED_SECONDS = 30.0, 3.0


class LedgerSteps:
    """The steps of a run on a cluster, as its ledger has them; not those that had ended before."""

    def __init__(self, context: Context, ledger: Ledger, cluster_id: str) -> None:
        self._context, self._ledger, self._cluster_id = context, ledger, cluster_id
        # Nothing is added any more.
        self.is_complete = threading.Event()
        self._returned = {one.id for one in self._read() if one.state in states.STEP_ENDED}
        self._seen: dict[str, Step] = {}

    def more(self) -> Sequence[Step] | None:
        """Return steps that were not returned before; None when no more are expected."""
        is_complete = self.is_complete.is_set()
        self._seen = {one.id: one for one in self._read()}
        new = [one for one in self._seen.values() if one.id not in self._returned]
        self._returned |= {one.id for one in new}
        return new or (None if is_complete else [])

    def look(self, step_ids: Sequence[str]) -> Mapping[str, Step]:
        """Return steps as the ledger had them when `more` was called last."""
        return {one: self._seen[one] for one in step_ids if one in self._seen}

    def _read(self) -> list[Step]:
        run = self._ledger.read_if_possible()
        now = self._context.clock.now()
        return [
            Step(id=one.step_id, name=one.name, state=one.state or "PENDING", created_at=now)
            for one in (run.steps if run else ())
            if one.step_id and one.cluster_id == self._cluster_id
        ]


class StreamScreen:
    """Sends lines to a log stream, as `STEP stdout | LINE`."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream

    # Each line says whose it is: a stream may have lines of several runs.
    def lines(self, step: str, key: str, lines: Sequence[str], *, is_only_step: bool) -> None:  # noqa: ARG002
        """Take lines of a log."""
        name = key.rpartition("/")[2]
        for line in lines:
            self._stream.add(f"{step} {name} | {line}")

    def note(self, text: str) -> None:
        """Leave out what is about the logs: the command itself shows how steps end."""

    def turn(self) -> None:
        """Send what has come."""
        self._stream.flush_if_due()


class Shipment:
    """The logs of a run's steps on one cluster, on their way from now on, in a thread of its own.

    Raises KilnError and OSError when that cannot begin. `problem` is the first one after that, or empty.
    """

    def __init__(self, driver: Driver, identity: Identity, cluster: Cluster) -> None:
        wanted = driver.kiln_cloudwatch_logs
        # Of its own: the run's context counts as a heartbeat, and its clients are no other thread's.
        context = Context(aws=shared.aws_of(driver), clock=SystemClock(), stop=Stop())
        ledger = Ledger(context.effects, context.clock, driver.kiln_state_uri, identity)
        self.problem = ""
        self._stop = context.stop
        self._steps = LedgerSteps(context, ledger, cluster.id)
        self._stream = LogStream(context, wanted.group, wanted.stream or stream_of(identity), self._tell)
        self._follower = Follower(
            context=context,
            cluster=cluster,
            ssh=shared.ssh_of(context, driver, cluster.id),
            more=self._steps.more,
            look=self._steps.look,
            screen=StreamScreen(self._stream),
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _tell(self, problem: str) -> None:
        self.problem = self.problem or problem

    def _follow(self) -> None:
        try:
            self._follower.run()
            self._stream.flush()
        except InterruptedRunError:
            return
        except (KilnError, OSError) as error:
            self._tell(f"{_PREFIX}: no more logs are sent there: {error}")

    def end(self, seconds: float) -> None:
        """Send what the steps have written until now, for so long at most."""
        self._steps.is_complete.set()
        self._follower.wake()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._tell(f"{_PREFIX}: the last lines of the logs may be missing there")
            self._stop.request_because(InterruptedRunError("its time is over"))


def of(driver: Driver, identity: Identity, report: Callable[[str], object]) -> Ship:
    """Return what sends the logs of the steps on a cluster while a block runs; nothing without a log group.

    A problem never changes how the block ends; `report` gets the first one, in the caller's thread.
    """
    return partial(_shipping, driver, identity, report) if driver.kiln_cloudwatch_logs.group else nothing_sent


@contextmanager
def _shipping(
    driver: Driver, identity: Identity, report: Callable[[str], object], cluster: Cluster
) -> Iterator[None]:
    try:
        shipment = Shipment(driver, identity, cluster)
    except (KilnError, OSError) as error:
        report(f"{_PREFIX}: no logs are sent there: {error}")
        yield
        return
    seconds = _LAST_SECONDS
    try:
        yield
    except InterruptedRunError:
        seconds = _INTERRUPTED_SECONDS
        raise
    finally:
        shipment.end(seconds)
        if shipment.problem:
            report(shipment.problem)


def stream_of(identity: Identity) -> str:
    """Return the name of a run's log stream. Such names have no `:`, which ids of Airflow's runs have."""
    return f"{identity.pipeline}/{identity.run_id}".replace(":", "-")
