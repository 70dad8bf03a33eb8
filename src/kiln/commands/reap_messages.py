"""What `kiln reap` says about what it has ended, and what dead drivers could not say themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from kiln import paths
from kiln.commands import lost_drivers, notifying
from kiln.commands.notifying import Notifier
from kiln.emr import reaper
from kiln.errors import KilnError, caught
from kiln.identity import NAME, RUN_ID, Identity
from kiln.ledger.notices import NoticeStore
from kiln.notifications import events, occasions
from kiln.notifications.occasion import Choice, Facts, Occasion
from kiln.settings import inventories
from kiln.settings.ansible_values import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.commands.lost_drivers import Lost
    from kiln.emr.reaper import Report, Row
    from kiln.settings.notification_model import Notification

# For the records and ledgers that are read: a sweep has other environments to come.
_SECONDS = 60.0


def send(context: Context, environment: str, state_uri: str, report: Report) -> None:
    """Send one message a run. Nothing is raised, and the sweep's exit code stays."""
    messages = _Messages(context, environment, state_uri)
    problem = caught(lambda: messages.send(report))
    if problem is not None:
        notifying.report(f"not everybody was notified: {problem.message}")


@dataclass(frozen=True)
class _Messages:
    """Those of one sweep."""

    context: Context
    environment: str
    state_uri: str
    _rows: dict[str, Sequence[Notification]] = field(default_factory=dict)

    def send(self, report: Report) -> None:
        ended = [row for row in report.rows.values() if row.action == reaper.END and _is_of_a_run(row)]
        for (pipeline, run_id), group in groupby(sorted(ended, key=_run), key=_run):
            rows = list(group)
            run = Identity(environment=self.environment, pipeline=pipeline, run_id=run_id)
            if self._rows_of(pipeline):
                self._send(run, Occasion(self._choices(run, rows), _facts(run, rows)))
        for pipeline in inventories.pipelines(paths.checkout(), self.environment):
            if self._rows_of(pipeline):
                bounded = self.context.within(_SECONDS)
                for lost in lost_drivers.find(bounded, self.environment, self.state_uri, pipeline):
                    self._send_lost(lost)

    def _send(self, run: Identity, occasion: Occasion) -> None:
        rows = self._rows_of(run.pipeline)
        Notifier(
            root=paths.checkout(),
            context=self.context,
            state_uri=self.state_uri,
            identity=run,
            rows=lambda: rows,
        ).send(occasion)

    def _send_lost(self, lost: Lost) -> None:
        began = lost.driver.started_at
        if not self._was_sent(lost.run, began):
            key = f"failed/driver of {began}"
            self._send(
                lost.run, Occasion((Choice(events.FAILED, key), Choice(events.REAPED, key)), _lost(lost))
            )

    def _rows_of(self, pipeline: str) -> Sequence[Notification]:
        """Return the rows of a pipeline; those of the environment for one that is no longer there."""
        if pipeline not in self._rows:
            self._rows[pipeline] = self._read_rows(pipeline)
        return self._rows[pipeline]

    def _read_rows(self, pipeline: str) -> Sequence[Notification]:
        root = paths.checkout()
        known = pipeline if pipeline in inventories.pipelines(root, self.environment) else ""
        try:
            return notifying.rows_of(Question(root=root, environment=self.environment, pipeline=known))
        except KilnError as error:
            notifying.report(f"nobody was notified about {pipeline}: {error.message}")
            return ()

    def _choices(self, run: Identity, rows: Sequence[Row]) -> tuple[Choice, ...]:
        ids = ",".join(sorted(row.id for row in rows))
        event = events.REAPED if all(row.ended for row in rows) else events.NOT_TERMINATED
        began = max(row.driver_started_at for row in rows)
        first = Choice(event, f"{event}/{ids}")
        if not began or self._was_sent(run, began):
            return (first,)
        # For rows that ask for failures only: the run's driver could not send it.
        return first, Choice(events.FAILED, f"failed/driver of {began}")

    def _was_sent(self, run: Identity, began: str) -> bool:
        """Return whether a failure of the run was sent since its driver began; True when nobody knows."""
        bounded = self.context.within(_SECONDS)
        try:
            found = NoticeStore(bounded.effects, bounded.clock, self.state_uri, run).read()
        except KilnError:
            return True
        sent = [one for one in found if one.key.startswith("failed/") and one.state != "not_sent"]
        return any(one.at >= began for one in sent)


def _is_of_a_run(row: Row) -> bool:
    """Return whether its tags name a run: those of instances are others' text."""
    return bool(NAME.fullmatch(row.pipeline) and RUN_ID.fullmatch(row.run_id))


def _run(row: Row) -> tuple[str, str]:
    return row.pipeline, row.run_id


def _facts(run: Identity, rows: Sequence[Row]) -> Facts:
    clusters = [row for row in rows if row.kind == "cluster"]
    unconfirmed = not all(row.ended for row in rows)
    first = (occasions.end(run),) if unconfirmed else ()
    return Facts(
        identity=run,
        what="the run",
        cause=tuple(dict.fromkeys(f"{row.reason}: {row.why}" for row in rows)),
        details=tuple(
            f"{row.kind} {row.id} ({row.state}): {'ended' if row.ended else 'its end is not confirmed'}"
            for row in rows
        ),
        cluster_id=clusters[-1].id if clusters else "",
        commands=(*first, *occasions.reach(run, ("status",)), occasions.again(run, ())),
    )


def _lost(lost: Lost) -> Facts:
    """Return what is said about a run whose driver has died, and that has no cluster any more."""
    driver, ledger = lost.driver, lost.ledger
    where = f"pid {driver.pid} on host {driver.host}"
    return Facts(
        identity=lost.run,
        what="the run",
        cause=(
            f"the command that ran it ({where}) has died; it was last seen at {driver.heartbeat_at}",
            ledger.message,
        ),
        cluster_id="".join(ledger.cluster_ids[-1:]),
        commands=(*occasions.reach(lost.run, ("status",)), occasions.again(lost.run, ())),
    )
