"""A whole sweep of `kiln reap`: what is there, what becomes of it, and the end of what is to be ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kiln.emr import reaping, stray_instances, sweep, sweep_end
from kiln.errors import KilnError, LockedError, NotTerminatedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.emr.stray_instances import Stray
    from kiln.emr.sweep import Asked, Seen
    from kiln.emr.waiting import Waiting

END, KEEP, FOREIGN, UNKNOWN = "end", "keep", "not Kiln's", "not known"


class Row(msgspec.Struct, kw_only=True):
    """A cluster or an instance, and what becomes of it.

    `reason` is a name of the table in `reaping`, empty for what stays; `why` explains either. `ended`: AWS
    has confirmed its end in this sweep. `driver_started_at`: when the last driver began whose death has left
    it (`orphaned`), empty for none.
    """

    kind: str
    id: str
    pipeline: str
    run_id: str
    state: str
    age_seconds: int
    owner: str
    action: str
    reason: str = ""
    why: str = ""
    ended: bool = False
    driver_started_at: str = ""


class Report(NamedTuple):
    """What a sweep has found, by id, and what went wrong. `notes` do not change the exit code."""

    rows: dict[str, Row]
    errors: list[KilnError]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """Return 20 when something that was to end may still cost money, else that of the first error."""
        unconfirmed = [one for one in self.errors if isinstance(one, NotTerminatedError)]
        return int(next((one.exit_code for one in [*unconfirmed, *self.errors]), 0))


def look(context: Context, asked: Asked) -> Report:
    """Return what a sweep would end. Changes nothing. Raises what ListClusters raises."""
    return _Sweep(context, asked, None).run()


def reap(context: Context, asked: Asked, limits: Waiting) -> Report:
    """End what is to be ended; return when AWS has confirmed it, or the time for that is over.

    `limits` count for all clusters together, and again for all instances. Raises what ListClusters raises.
    """
    return _Sweep(context, asked, limits).run()


class _Sweep:
    def __init__(self, context: Context, asked: Asked, limits: Waiting | None) -> None:
        self._context = context
        self._asked = asked
        self._limits = limits
        self._report = Report({}, [], [])

    def run(self) -> Report:
        asked_to_end = []
        for seen in (one for run in sweep.of_environment(self._context, self._asked) for one in run):
            self._add_cluster(seen)
            if self._limits and seen.finding and self._ask(seen):
                asked_to_end.append(seen)
        strays = self._strays()
        if self._limits:
            self._confirm(asked_to_end, strays, self._limits)
        return self._report

    def _add_cluster(self, seen: Seen) -> None:
        finding = seen.finding
        action = (FOREIGN if seen.error is None else UNKNOWN) if seen.case is None else KEEP
        self._report.rows[seen.summary.id] = Row(
            kind="cluster",
            id=seen.summary.id,
            pipeline=seen.run.pipeline,
            run_id=seen.run.run_id,
            state=seen.summary.state,
            age_seconds=round((self._context.clock.now() - seen.summary.created_at).total_seconds()),
            owner=seen.owner,
            action=END if finding else action,
            reason=finding.reason.name if finding else "",
            why=finding.why if finding else reaping.why_kept(seen.case) if seen.case else "",
            driver_started_at=_driver_started_at(seen),
        )
        self._report.errors.extend([seen.error] if seen.error else [])
        self._report.notes.extend([f"cluster {seen.summary.id}: {seen.note}"] if seen.note else [])

    def _ask(self, seen: Seen) -> bool:
        try:
            sweep_end.ask(self._context, seen, self._asked.state_uri)
        except LockedError as error:
            self._report.rows[seen.summary.id].action = KEEP
            self._report.notes.append(error.message)
            return False
        return True

    def _strays(self) -> list[Stray]:
        """Return the instances that are to be ended."""
        try:
            found = stray_instances.find(
                self._context, self._asked.environment, self._asked.grace_seconds, self._report.rows
            )
        except KilnError as error:
            self._report.errors.append(error)
            return []
        for stray in found:
            self._add_instance(stray)
        return [one for one in found if one.reason]

    def _add_instance(self, stray: Stray) -> None:
        one = stray.instance
        self._report.rows[one.id] = Row(
            kind="instance",
            id=one.id,
            pipeline=one.tags.get("pipeline", ""),
            run_id=one.tags.get("run_id", ""),
            state=one.state,
            age_seconds=round((self._context.clock.now() - one.launched_at).total_seconds()),
            owner=one.tags.get("owner", ""),
            action=END if stray.reason else KEEP,
            reason=stray.reason,
            why=stray.why,
        )

    def _confirm(self, clusters: Sequence[Seen], strays: Sequence[Stray], limits: Waiting) -> None:
        ids = [one.instance.id for one in strays]
        # Everything is asked for before anything is waited for.
        stray_instances.ask(self._context, ids)
        for seen, error in sweep_end.confirm(self._context, clusters, limits, self._asked.state_uri):
            self._report.rows[seen.summary.id].ended = error is None
            self._report.errors.extend([error] if error else [])
        errors = stray_instances.end(self._context, ids, limits) if ids else {}
        for name in ids:
            self._report.rows[name].ended = name not in errors
        self._report.errors.extend(errors.values())


def _driver_started_at(seen: Seen) -> str:
    if seen.case is None or seen.finding is None or seen.finding.reason.name != reaping.ORPHANED:
        return ""
    return max((one.started_at for one in (seen.case.run.drivers if seen.case.run else ())), default="")
