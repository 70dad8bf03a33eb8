"""A run: phases one after the other, and an end for the cluster that always happens."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from kiln.emr import add_steps, clusters, descriptions, finding, steps, terminate
from kiln.emr.launch_watcher import LaunchWatcher
from kiln.emr.waiting import Waiting
from kiln.errors import DeadlineError, InterruptedRunError, KilnError, NotTerminatedError, caught
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import Phase as PhaseEntry
from kiln.playbooks.runner import Supervision
from kiln.runs.outcome import Outcome
from kiln.runs.selection import TERMINATE
from kiln.runs.result import Result, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.identity import Identity
    from kiln.ledger.store import Ledger
    from kiln.playbooks.runner import Playbooks
    from kiln.reporter import Reporter
    from kiln.runs.selection import Phase, Plan
    from kiln.settings.model import StepSettings


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may take, in seconds, and what becomes of the cluster of a failed run."""

    terminate_seconds: float
    interval_seconds: float
    run_seconds: float = 0.0
    step_seconds: float = 0.0
    keep_failed: bool = False


@dataclass
class Execution:
    """One `kiln run`, from its first effect to its exit code.

    `explain` is asked for the cause of a failed step while the cluster is still there.
    """

    context: Context
    identity: Identity
    limits: Limits
    plan: Plan
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
    in_launch: bool = field(default=False, init=False)
    ends_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Begin with an empty result."""
        self.result = Result(
            environment=self.identity.environment,
            pipeline=self.identity.pipeline,
            run_id=self.identity.run_id,
            ledger=self.ledger.uri,
        )
        self.outcome = Outcome(self.context, self.plan, self.ledger, self.result, self.data_date)

    def run(self) -> Result:
        """Do it. Never raises a KilnError: the result holds it."""
        started = self.context.clock.monotonic()
        self.ends_at = started + self.limits.run_seconds
        error = caught(self._all_phases)
        ending = None
        if self._must_end(error):
            ending = _unconfirmed(caught(self._end))
        self.result.seconds = round(self.context.clock.monotonic() - started, 1)
        return self.outcome.conclude(error, ending)

    def _all_phases(self) -> None:
        for phase in self.plan.phases:
            self.context.stop.check()
            if self._seconds_left() <= 0:
                raise self._late()
            with self._timed(phase.name):
                self._step(phase.step) if phase.step else self._playbook(phase)

    def _seconds_left(self) -> float:
        return self.ends_at - self.context.clock.monotonic()

    def _late(self) -> DeadlineError:
        return DeadlineError(
            f"the run took longer than {self.limits.run_seconds:.0f} s",
            fix="raise kiln_run_timeout_seconds, or look where the time went",
        )

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Time a phase for the reporter, the result and the ledger, which gets it as soon as it is over."""
        started, status = self.context.clock.monotonic(), "failed"
        try:
            with self.reporter.phase(name):
                yield
            status = "ok"
        finally:
            seconds = round(self.context.clock.monotonic() - started, 1)
            entry = PhaseEntry(name=name, status=status, seconds=seconds)
            self.result.phases.append(entry)
            if self.outcome.is_known():
                self.ledger.try_update(lambda run: run.phases.append(entry))

    def _playbook(self, phase: Phase) -> None:
        self.in_launch = phase.name == "launch"
        supervision = Supervision(
            reporter=self.reporter,
            stop=self.context.stop,
            seconds=self._seconds_left(),
            on_cluster=self._works_on,
        )
        if not self.in_launch:
            self.playbooks.run(phase.name, self.arguments, supervision)
            return
        watcher = LaunchWatcher(self.context, self.ledger, self.limits.interval_seconds)
        self.playbooks.run(phase.name, self.arguments, replace(supervision, tick=watcher))
        self.in_launch = False
        watcher.show(self._find_cluster())

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

    def _step(self, wanted: StepSettings) -> None:
        first_seen = self.result.cluster_id is None
        cluster = self._find_cluster()
        if first_seen:
            self.reporter.line(descriptions.describe_change(cluster))
        context = replace(self.context, report=self.reporter.line)
        added, new = add_steps.add(context, cluster.id, wanted, self.ledger)
        if not new:
            self.reporter.line(f"step {added.name}: is there already as {added.id} ({added.state})")
        limit = wanted.timeout_seconds or self.limits.step_seconds
        try:
            done = steps.run_to_end(
                context,
                cluster.id,
                added,
                self.ledger,
                timeout_seconds=min(limit, self._seconds_left()),
                interval_seconds=self.limits.interval_seconds,
            )
        except InterruptedRunError:
            # Without an owner here the cluster stays: at least the step must not go on unseen.
            if not self.plan.ends:
                steps.cancel(context, cluster.id, added)
            raise
        except KilnError as error:
            self._failed_step(cluster, added, error)
            if isinstance(error, DeadlineError) and self._seconds_left() <= 0 < limit:
                raise self._late() from error
            raise
        self.result.steps.append(_step_result(done))

    def _failed_step(self, cluster: Cluster, step: Step, error: KilnError) -> None:
        """Gather the cause while the nodes are still there; not finding it changes nothing."""
        patient = self.context.unstoppable()
        try:
            seen = steps.seen_if_any(patient, cluster.id, step.id) or step
            self.result.steps.append(_step_result(seen))
            if error.exit_code is ExitCode.STEP_FAILED:
                self.result.details = self.explain(patient, cluster, seen)
        except Exception as problem:  # noqa: BLE001  # the step's own failure is the news
            self.reporter.line(f"the cause could not be read: {problem}")

    def _must_end(self, error: KilnError | None) -> bool:
        if isinstance(error, InterruptedRunError):
            return self.plan.ends or self.in_launch
        if error is not None and self.plan.phases and self.limits.keep_failed:
            return False
        return self.plan.ends

    def _end(self) -> None:
        context = replace(self.context.unstoppable(), report=self.reporter.line)
        waiting = Waiting(
            timeout_seconds=self.limits.terminate_seconds,
            interval_seconds=self.limits.interval_seconds,
        )
        with self._timed(TERMINATE):
            ended = terminate.end_run(context, self.identity, self.ledger, waiting, self.launched)
            if not ended:
                self.reporter.line("no cluster of this run is live")
            elif self.result.cluster_id is None:
                self.result.cluster_id = ended[-1].id


def _unconfirmed(error: KilnError | None) -> KilnError | None:
    """Whatever goes wrong while a cluster is ended: nobody has confirmed its end."""
    if error is None or isinstance(error, NotTerminatedError):
        return error
    return NotTerminatedError(f"ending the cluster failed: {error.message}", fix=error.fix)


def _step_result(step: Step) -> StepResult:
    return StepResult(name=step.name, id=step.id, state=step.state, seconds=steps.seconds(step))
