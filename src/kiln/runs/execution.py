"""A run: attempts, phases one after the other, and an end for the cluster that always happens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import cancelling, clusters, holding, terminate
from kiln.emr.waiting import Waiting
from kiln.errors import FencedError, InterruptedRunError, KilnError, NotTerminatedError, caught
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import StepIdentity
from kiln.reporter import Unfailing
from kiln.runs import attempts, step_terms, tables
from kiln.runs.cluster_work import ClusterWork
from kiln.runs.deadline import Deadline
from kiln.runs.outcome import Outcome
from kiln.runs.phase_log import PhaseLog
from kiln.runs.result import Result
from kiln.runs.scope import Scope
from kiln.runs.step_plan import StepPlan
from kiln.settings.existing_cluster import ExistingCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.diagnosis.cause import Explain
    from kiln.emr.cancelling import Kill
    from kiln.identity import Identity
    from kiln.ledger.schema import Phase, Run
    from kiln.ledger.store import Ledger
    from kiln.playbooks.supervision import Playbooks
    from kiln.reporter import Reporter
    from kiln.runs.limits import Limits
    from kiln.runs.selection import Selection
    from kiln.runs.step_terms import Ship
    from kiln.settings.model import ClusterShape


# For how long the outcome of a run is read and recorded while AWS does not answer.
_CONCLUDE_SECONDS = 60.0
# For how long the end of a failed attempt waits for its ledger.
_NOTE_SECONDS = 30.0


@dataclass
class Execution:
    """One `kiln run`, from its first effect to its exit code.

    `explain` is asked for the cause of a failed step while the cluster is still there. `expected` returns the
    commit and the environment that a launch would deploy. `resumes`: see StepPlan. `skips_complete`: exit 99
    when all steps were complete before.
    """

    context: Context
    identity: Identity
    limits: Limits
    selection: Selection
    ledger: Ledger
    playbooks: Playbooks
    reporter: Reporter
    arguments: list[str]
    explain: Explain
    data_date: str | None = None
    attempts: attempts.Policy = field(default_factory=attempts.Policy)
    shape: ClusterShape | None = None
    expected: Callable[[], StepIdentity] = StepIdentity
    resumes: bool = False
    skips_complete: bool = False
    kill: Kill = cancelling.nothing
    ship: Ship = step_terms.nothing_sent
    existing: ExistingCluster = field(default_factory=ExistingCluster)
    result: Result = field(init=False)
    scope: Scope = field(init=False)
    outcome: Outcome = field(init=False)
    deadline: Deadline = field(init=False)
    phase_log: PhaseLog = field(init=False)
    plan: StepPlan = field(init=False)
    work: ClusterWork = field(init=False)
    # The command was refused before its first effect.
    _is_refused: bool = field(default=False, init=False)
    _has_failed: bool = field(default=False, init=False)

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
        self.scope = Scope(self.context, self.ledger)
        self.outcome = Outcome(self.scope, self.selection, self.result)
        self.deadline = Deadline(self.context.clock, self.limits.run_seconds, self.attempts.most_node_hours)
        self.phase_log = PhaseLog(self.context.clock, self.reporter, self.result)
        self.plan = StepPlan(
            scope=self.scope,
            identity=self.identity,
            selection=self.selection,
            reporter=self.reporter,
            result=self.result,
            expected=self.expected,
            resumes=self.resumes,
        )
        self.work = ClusterWork(
            scope=self.scope,
            identity=self.identity,
            limits=self.limits,
            deadline=self.deadline,
            playbooks=self.playbooks,
            reporter=self.reporter,
            arguments=self.arguments,
            result=self.result,
            explain=self.explain,
            kill=self.kill,
            ship=self.ship,
            phase_log=self.phase_log,
            plan=self.plan,
            shape=self.shape,
            existing=self.existing,
        )

    def run(self) -> Result:
        """Do it. Never raises a KilnError: the result holds it."""
        started = self.context.clock.monotonic()
        if self.limits.run_seconds:
            self.scope.use(self.context.within(self.limits.run_seconds))
        error = caught(self._all_attempts)
        self.playbooks.close()
        self._has_failed = error is not None
        ending = _unconfirmed(caught(self._end_clusters)) if self._ends(error) else None
        self.result.seconds = round(self.context.clock.monotonic() - started, 1)
        self.scope.use(self.context.unstoppable().within(_CONCLUDE_SECONDS))
        caught(self._write_phases)
        result = self.outcome.conclude(
            error, ending, remembers=not self._is_refused or isinstance(error, InterruptedRunError)
        )
        # The run's own outcome is in the ledger: only this command's exit code is another one.
        if self.skips_complete and result.exit_code == ExitCode.OK and self._was_complete():
            result.skip("skipped: all steps that were asked for are complete")
        return result

    def _was_complete(self) -> bool:
        return bool(self.selection.steps) and not self.plan.has_work

    def _all_attempts(self) -> None:
        # Before the first step: a driver that is killed must not leave its retry to the date of that day.
        if self.data_date is not None and self.outcome.is_known():
            self.scope.ledger.try_update(lambda run: run.keep_date(self.data_date))
        bounded = self.scope.context
        for number in itertools.count(1):
            try:
                self._attempt(number)
            except KilnError as error:
                # A cluster that does not end is asked once more, at the end of the command.
                if not self._tries_again(error, number) or caught(partial(self._give_up, error, number)):
                    raise
                self.scope.use(bounded)
                # The end of the cluster may have taken what was left of the time.
                if self.deadline.seconds_left() <= self.attempts.delay_seconds:
                    raise
                self._begin_anew(error, number)
            else:
                return

    def _attempt(self, number: int) -> None:
        self.work.alternative = self.attempts.settings_of(number)
        self._bound_cost()
        if self._leaves_nothing():
            self.reporter.line("all steps of this run are complete: nothing to do")
            self._register_tables()
            return
        stages = self.selection.stages
        for place, stage in enumerate(stages, 1):
            self.scope.context.stop.check()
            if self.deadline.seconds_left() <= 0:
                raise self.deadline.error()
            self.work.do(stage, *stages[place : place + 1])
            # After an error or a signal the cluster ends first: its ledger may take minutes to answer.
            if not self.scope.context.stop.event.is_set():
                self._write_phases()
        self._register_tables()

    def _register_tables(self) -> None:
        """Register the tables of the steps that are complete, also of those that an earlier command ran."""
        complete = (one.name for one in self.result.steps if one.state == "COMPLETED")
        steps = tables.of_complete(self.selection.steps, complete)
        if steps:
            effects = self.scope.context.effects
            self.phase_log.timed(tables.PHASE, lambda: tables.register(effects, steps, self.reporter.line))

    def _bound_cost(self) -> None:
        """End this attempt when the run has used its node hours."""
        if not self.attempts.most_node_hours:
            return
        ledger = self.scope.ledger
        used = attempts.node_hours(ledger.read_if_possible(), ledger.age_seconds)
        left = self.attempts.seconds_left(used)
        self.deadline.pay_for(left)
        self.scope.use(self.scope.context.within(left))

    def _tries_again(self, error: KilnError, number: int) -> bool:
        """Return whether this command may launch a new cluster; of single actions only the launch may."""
        if not (self.selection.launches and (self.selection.ends or self.work.in_launch)):
            return False
        if self.limits.hold_seconds:
            # The cluster is for debugging.
            return False
        return self.attempts.tries_again(error, number, self.deadline.seconds_left())

    def _leaves_nothing(self) -> bool:
        """Return whether nothing is left to do. What is refused here has had no effect, and gets none."""
        try:
            return self.plan.leaves_nothing()
        except InterruptedRunError:
            raise
        except KilnError:
            self._is_refused = not self.result.attempts
            raise

    def _give_up(self, error: KilnError, number: int) -> None:
        """End the cluster of a failed attempt before there is another one. Raises NotTerminatedError."""
        attempt = f"attempt {number} of {self.attempts.attempts}"
        self.reporter.line(f"{attempt} failed ({error.failure_class.value}): {error.message}")
        self._note_attempt(error)
        self._end_clusters()

    def _begin_anew(self, error: KilnError, number: int) -> None:
        """Go on to the next attempt, after the pause."""
        self.plan.begin_anew()
        self.result.give_up(error, self.work.alternative)
        self.work.in_launch = False
        changed = self.attempts.settings_of(number + 1)
        with_what = (
            f", with {', '.join(f'{name}={value}' for name, value in changed.items())}" if changed else ""
        )
        self.reporter.line(f"the next one begins in {self.attempts.delay_seconds:.0f} s{with_what}")
        self.context.clock.wait(self.attempts.delay_seconds, self.context.stop.event)

    def _note_attempt(self, error: KilnError) -> None:
        """Remember why the attempt failed; the cluster's end does not wait long for that."""

        def change(run: Run) -> None:
            if run.attempts:
                run.attempts[-1].failure_class = error.failure_class.value
                run.attempts[-1].message = error.message
                run.attempts[-1].alternative = self.work.alternative

        self.scope.ledger.on(self.scope.context.within(_NOTE_SECONDS).effects).try_update(change)

    def _write_phases(self) -> None:
        entries = self.phase_log.take_unwritten()
        if entries and self.outcome.is_known():
            self.scope.ledger.try_update(lambda run: self._remember(run, entries))

    def _remember(self, run: Run, entries: list[Phase]) -> None:
        run.phases.extend(entries)
        run.keep_date(self.data_date)
        if run.attempts and run.attempts[-1].cluster_id == self.result.cluster_id:
            run.attempts[-1].alternative = self.work.alternative

    def _ends(self, error: KilnError | None) -> bool:
        """Return whether this command ends the run's clusters now; else they stay, or are held."""
        if self.selection.only_ends:
            return self.selection.ends
        if error is None:
            seconds = self.limits.success_hold_seconds if self.selection.whole else 0
            return self.selection.ends and not self._is_held(seconds)
        if isinstance(error, InterruptedRunError):
            return self.selection.ends or self.work.in_launch
        if self._is_refused or isinstance(error, FencedError):
            # Nothing of this command's, or another one goes on with it.
            return False
        return self.selection.ends and not self._is_held(self.limits.hold_seconds)

    def _is_held(self, seconds: int) -> bool:
        """Hold the cluster for that long, unless it is 0; return whether it is held."""
        cluster_id = self.result.cluster_id
        if not seconds or cluster_id is None:
            return False
        self.scope.use(self.context.unstoppable().within(_CONCLUDE_SECONDS))
        return caught(lambda: self._hold(cluster_id, seconds)) is None

    def _hold(self, cluster_id: str, seconds: int) -> None:
        context = self.scope.context
        cluster = clusters.shown(context, cluster_id)
        held = holding.hold(context, cluster, seconds, self.scope.ledger)
        self.result.held_until = held.until
        for line in held.lines:
            self.reporter.line(line)

    def _end_clusters(self) -> None:
        self.scope.use(self.context.unstoppable())
        self.phase_log.timed(phases.TERMINATE.name, self._end)

    def _end(self) -> bool:
        waiting = Waiting(
            timeout_seconds=self.limits.terminate_seconds,
            interval_seconds=self.limits.interval_seconds,
        )
        launched = self.work.launched
        if self.shape and not self.shape.keep_alive and launched and not self._has_failed:
            terminate.wait_for_own_end(self.scope.context, launched[-1], waiting)
        ended = terminate.end_run(
            self.scope.context, self.identity, self.scope.ledger, waiting, launched, kill=self.kill
        )
        if not ended:
            self.reporter.line("no cluster of this run's own is live")
        elif self.result.cluster_id is None:
            self.result.cluster_id = ended[-1].id
        return bool(ended)


def _unconfirmed(error: KilnError | None) -> KilnError | None:
    """Whatever goes wrong while a cluster is ended: nobody has confirmed its end."""
    if error is None or isinstance(error, NotTerminatedError):
        return error
    return NotTerminatedError(f"ending the cluster failed: {error.message}", fix=error.fix)
