"""What `kiln reap` says about what it has ended, and what dead drivers could not say themselves."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from kiln import paths
from kiln.commands import notifying
from kiln.commands.notifying import Notifier
from kiln.emr import reaper
from kiln.errors import KilnError
from kiln.identity import NAME, RUN_ID, Identity
from kiln.ledger.notices import NoticeStore
from kiln.notifications import events, occasions
from kiln.notifications.occasion import Choice, Facts, Occasion
from kiln.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.emr.reaper import Report, Row
    from kiln.settings.notification_model import Notification


def send(context: Context, environment: str, state_uri: str, report: Report) -> None:
    """Send one message a run. Nothing is raised, and the sweep's exit code stays."""
    wanted = [row for row in report.rows.values() if row.action == reaper.END and _is_of_a_run(row)]
    pipelines: dict[str, Sequence[Notification]] = {}
    for (pipeline, run_id), group in groupby(sorted(wanted, key=_run), key=_run):
        run = Identity(environment=environment, pipeline=pipeline, run_id=run_id)
        rows = list(group)
        if pipeline not in pipelines:
            pipelines[pipeline] = _rows_of(environment, pipeline)
        notifier = Notifier(
            root=paths.checkout(),
            context=context,
            state_uri=state_uri,
            identity=run,
            rows=lambda found=pipelines[pipeline]: found,  # type: ignore[misc]  # bound now
        )
        store = NoticeStore(context.effects, context.clock, state_uri, run)
        notifier.send(Occasion(_choices(rows, store), _facts(run, rows)))


def _is_of_a_run(row: Row) -> bool:
    """Return whether its tags name a run: those of instances are others' text."""
    return bool(NAME.fullmatch(row.pipeline) and RUN_ID.fullmatch(row.run_id))


def _run(row: Row) -> tuple[str, str]:
    return row.pipeline, row.run_id


def _rows_of(environment: str, pipeline: str) -> Sequence[Notification]:
    """Return the rows of a pipeline; those of the environment for one that is no longer there."""
    for name in (pipeline, ""):
        question = resolve.Question(root=paths.checkout(), environment=environment, pipeline=name)
        try:
            return notifying.rows_of(question)
        except KilnError as error:
            problem = error
    notifying.report(f"nobody was notified: {problem.message}")
    return ()


def _choices(rows: Sequence[Row], store: NoticeStore) -> tuple[Choice, ...]:
    ids = ",".join(sorted(row.id for row in rows))
    if not all(row.ended for row in rows):
        first = Choice(events.NOT_TERMINATED, f"not_terminated/{ids}")
    else:
        first = Choice(events.REAPED, f"reaped/{ids}")
    began = max(row.driver_started_at for row in rows)
    if not began or _was_sent(store, began):
        return (first,)
    # Rows that ask for failures only: the run's driver could not send it.
    return first, Choice(events.FAILED, f"failed/driver of {began}")


def _was_sent(store: NoticeStore, began: str) -> bool:
    """Return whether the run's failure was sent since its driver began; True when that is not known."""
    try:
        found = store.read()
    except KilnError:
        return True
    return any(one.key.startswith("failed/") and one.state != "not_sent" and one.at >= began for one in found)


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
