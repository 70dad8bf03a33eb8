"""A run: phases one after the other, and an end for the cluster that always happens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import cluster_endings, clusters, descriptions, finding, terminate
from kiln.emr.launch_watcher import LaunchWatcher
from kiln.emr.steps import StepLateError
from kiln.emr.waiting import Waiting
from kiln.errors import (
    DeadlineError,
    InterruptedRunError,
    KilnError,
    NotTerminatedError,
    PlaybookError,
    caught,
)
from kiln.ledger.schema import Phase as PhaseEntry
from kiln.playbooks.runner import Supervision
from kiln.reporter import Unfailing
from kiln.runs.outcome import Outcome
from kiln.runs.result import Result
from kiln.runs.step_phase import StepPhase

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.identity import Identity
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger
    from kiln.playbooks.runner import Playbooks
    from kiln.reporter import Reporter
    from kiln.runs.limits import Limits
    from kiln.runs.selection import SelectedPhase, Selection
    from kiln.settings.model import StepSettings


# For how long the outcome of a run is read and recorded while AWS does not answer.
_CONCLUDE_SECONDS = 60.0


@dataclass
class Execution:
    """One `kiln run`, from its first effect to its exit code.

    `explain` is asked for the cause of a failed step while the cluster is still there.
    """

    context: Context
    identity: Identity
    limits: Limits
    selection: Selection
    ledger: Ledger
    playbooks: Playbooks
    reporter: Reporter
    arguments: list[str]
    explain: Callable[[Context, Cluster, Step], list[str]]
    data_date: str | None = None
    # What this process launched or works on: it is this run's, whatever tags and ledger say later.
    launched: list[str] = field(default_factory=list, init=False)
    result: Result = field(init=False)
    outcome: Outcome = field(init=False)
    steps: StepPhase = field(init=False)
    in_launch: bool = field(default=False, init=False)
    ends_at: float = field(default=0.0, init=False)
    # Phases that are over and not in the ledger yet.
    unwritten: list[PhaseEntry] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Begin with an empty result."""
        self.reporter = Unfailing(self.reporter)
        self.context = replace(self.context, report=self.reporter.line)
        self.result = Result(
            environment=self.identity.environment,
            pipeline=self.identity.pipeline,
            run_id=self.identity.run_id,
            ledger=self.ledger.uri,
        )
        self.outcome = Outcome(self.context, self.selection, self.ledger, self.result)
        self.steps = StepPhase(
            context=self.context,
            ledger=self.ledger,
            limits=self.limits,
            reporter=self.reporter,
            result=self.result,
            explain=self.explain,
            # Without an owner here the cluster stays: at least the step must not go on unseen.
            cancels=not self.selection.ends,
        )

    def run(self) -> Result:
        """Do it. Never raises a KilnError: the result holds it."""
        started = self.context.clock.monotonic()
        self.ends_at = started + self.limits.run_seconds
        given = self.context
        if self.limits.run_seconds:
            self._use(given.within(self.limits.run_seconds))
        error = caught(self._all_phases)
        ending = None
        if self._must_end(error):
            self._use(given.unstoppable())
            ending = _unconfirmed(caught(lambda: self._timed(phases.TERMINATE.name, self._end)))
        self.result.seconds = round(self.context.clock.monotonic() - started, 1)
        self._use(given.unstoppable().within(_CONCLUDE_SECONDS))
        caught(self._write_phases)
        return self.outcome.conclude(error, ending)

    def _use(self, context: Context) -> None:
        """Use this context, with its deadline and its stop request, from now on."""
        self.context = context
        self.ledger = self.ledger.on(context.effects)
        self.outcome = replace(self.outcome, context=context, ledger=self.ledger)
        self.steps = replace(self.steps, context=context, ledger=self.ledger)

    def _all_phases(self) -> None:
        # Before the first step: a driver that is killed must not leave its retry to the date of that day.
        if self.data_date is not None and self.outcome.is_known():
            self.ledger.try_update(lambda run: run.keep_date(self.data_date))
        for phase in self.selection.phases:
            self.context.stop.check()
            if self._seconds_left() <= 0:
                raise self._late()
            self._timed(phase.name, partial(self._do, phase))
            # After an error or a signal the cluster ends first: its ledger may take minutes to answer.
            if not self.context.stop.event.is_set():
                self._write_phases()

    def _do(self, phase: SelectedPhase) -> bool:
        return self._step(phase.step) if phase.step else self._playbook(phase.row)

    def _seconds_left(self) -> float:
        return self.ends_at - self.context.clock.monotonic()

    def _late(self) -> DeadlineError:
        return DeadlineError(
            f"the run took longer than {self.limits.run_seconds:.0f} s",
            fix="raise kiln_run_timeout_seconds, or find the phase that took the time",
        )

    def _timed(self, name: str, work: Callable[[], bool]) -> None:
        """Time a phase for the reporter, the result and the ledger."""
        entry = PhaseEntry(name=name, status="failed", seconds=0.0)
        started = self.context.clock.monotonic()
        try:
            with self.reporter.phase(name):
                entry.changed = work()
            entry.status = "ok"
        except BaseException as error:
            self.result.phase = name
            if isinstance(error, KilnError):
                entry.message, entry.details, entry.fix = error.message, list(error.details), error.fix
            raise
        finally:
            entry.seconds = round(self.context.clock.monotonic() - started, 1)
            entry.ended_at = self.ledger.now()
            self.result.phases.append(entry)
            self.unwritten.append(entry)

    def _write_phases(self) -> None:
        entries, self.unwritten = self.unwritten, []
        if entries and self.outcome.is_known():
            self.ledger.try_update(lambda run: self._remember(run, entries))

    def _remember(self, run: Run, entries: list[PhaseEntry]) -> None:
        run.phases.extend(entries)
        run.keep_date(self.data_date)

    def _playbook(self, row: phases.Phase) -> bool:
        self.in_launch = row.launches
        supervision = Supervision(
            reporter=self.reporter,
            stop=self.context.stop,
            seconds=self._seconds_left(),
            on_cluster=self._works_on,
        )
        if not self.in_launch:
            try:
                return self.playbooks.run(row, self.arguments, supervision)
            except PlaybookError as error:
                raise cluster_endings.cause_of(
                    self.context, self.ledger, self.result.cluster_id, error
                ) from error
        watcher = LaunchWatcher(self.context, self.ledger, self.limits.interval_seconds)
        changed = self.playbooks.run(row, self.arguments, replace(supervision, tick=watcher))
        self.in_launch = False
        watcher.show(self._find_cluster())
        return changed

    def _works_on(self, cluster_id: str) -> None:
        if cluster_id not in self.launched:
            self.launched.append(cluster_id)
        self.result.cluster_id = cluster_id

    def _find_cluster(self) -> Cluster:
        if self.result.cluster_id is None:
            names = (self.identity.environment, self.identity.pipeline, self.identity.run_id)
            found = finding.only(self.context, *names, lambda _: self.ledger)
            self._works_on(found.id)
            return found
        return clusters.shown(self.context, self.result.cluster_id)

    def _step(self, wanted: StepSettings) -> bool:
        first_seen = self.result.cluster_id is None
        try:
            cluster = self._find_cluster()
            if first_seen:
                self.reporter.line(descriptions.describe_change(cluster))
            return self.steps.run(cluster, wanted)
        except StepLateError:
            raise
        except DeadlineError as error:
            late = self._late()
            fix = "; ".join(filter(None, (error.fix, late.fix)))
            raise DeadlineError(f"{late.message}: {error.message}", fix=fix) from error

    def _must_end(self, error: KilnError | None) -> bool:
        if isinstance(error, InterruptedRunError):
            return self.selection.ends or self.in_launch
        if error is not None and not self.selection.only_ends and self.limits.keep_failed:
            return False
        return self.selection.ends

    def _end(self) -> bool:
        waiting = Waiting(
            timeout_seconds=self.limits.terminate_seconds,
            interval_seconds=self.limits.interval_seconds,
        )
        ended = terminate.end_run(self.context, self.identity, self.ledger, waiting, self.launched)
        if not ended:
            self.reporter.line("no cluster of this run is live")
        elif self.result.cluster_id is None:
            self.result.cluster_id = ended[-1].id
        return bool(ended)


def _unconfirmed(error: KilnError | None) -> KilnError | None:
    """Whatever goes wrong while a cluster is ended: nobody has confirmed its end."""
    if error is None or isinstance(error, NotTerminatedError):
        return error
    return NotTerminatedError(f"ending the cluster failed: {error.message}", fix=error.fix)
