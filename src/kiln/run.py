"""A run: phases one after the other, the truth about them, and an end for the cluster that always happens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from kiln import clusters, outputs, states, steps
from kiln.errors import DeadlineError, InterruptedRunError, KilnError, NotTerminatedError
from kiln.exit_codes import ExitCode
from kiln.ledger import Phase as PhaseEntry
from kiln.plan import TERMINATE
from kiln.states import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from kiln.context import Context
    from kiln.effects import Cluster, Step
    from kiln.ledger import Ledger, Run
    from kiln.plan import Phase, Plan
    from kiln.playbooks import Playbooks
    from kiln.progress import Reporter
    from kiln.request import Identity
    from kiln.settings.model import StepSettings

VERSION = 1


class StepResult(msgspec.Struct, kw_only=True):
    """A step in the result."""

    name: str
    id: str
    state: str
    seconds: float | None = None


class Result(msgspec.Struct, kw_only=True):
    """What `kiln run` prints as JSON. Fields are only ever added; a change of meaning raises `version`."""

    version: int = VERSION
    kind: str = "run"
    environment: str
    pipeline: str
    run_id: str
    verdict: str = Verdict.RUNNING.value
    exit_code: int = 0
    exit_name: str = "ok"
    message: str = ""
    fix: str = ""
    details: list[str] = []
    cluster_id: str | None = None
    cluster_state: str | None = None
    seconds: float = 0.0
    phases: list[PhaseEntry] = []
    steps: list[StepResult] = []
    outputs: list[outputs.Output] = []
    logs: list[str] = []
    ledger: str = ""
    next: list[str] = []


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
    cluster_id: str | None = None
    phases: list[PhaseEntry] = field(default_factory=list)
    step_results: list[StepResult] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    in_launch: bool = False

    def run(self) -> Result:
        """Do it. Never raises a KilnError: the result holds it."""
        started = self.context.clock.monotonic()
        error = self._guarded(lambda: self._all_phases(started))
        ending = None
        if self._must_end(error):
            ending = _unconfirmed(self._guarded(self._end))
        return self._result(error, ending, self.context.clock.monotonic() - started)

    @staticmethod
    def _guarded(work: Callable[[], None]) -> KilnError | None:
        try:
            work()
        except KilnError as error:
            return error
        except Exception as error:  # noqa: BLE001  # a fault in kiln must not leave a cluster behind
            return KilnError(f"fault in kiln: {type(error).__name__}: {error}", fix="report this")
        return None

    def _all_phases(self, started: float) -> None:
        for phase in self.plan.phases:
            self.context.stop.check()
            if self.context.clock.monotonic() - started >= self.limits.run_seconds:
                raise DeadlineError(
                    f"the run took longer than {self.limits.run_seconds:.0f} s",
                    fix="raise kiln_run_timeout_seconds, or look where the time went",
                )
            with self._timed(phase.name):
                self._step(phase.step) if phase.step else self._playbook(phase)

    def _timed(self, name: str) -> AbstractContextManager[None]:
        return _Timed(self, name)

    def _playbook(self, phase: Phase) -> None:
        launching = phase.name == "launch"
        self.in_launch = launching
        self.playbooks.run(
            phase.name,
            self.arguments,
            self.reporter.line,
            self.context.stop,
            _ClusterWatcher(self) if launching else _nothing,
        )
        self.in_launch = False
        if launching:
            self._find_cluster()

    def _find_cluster(self) -> Cluster:
        identity = self.identity
        if self.cluster_id is None:
            found = clusters.only(self.context, identity.environment, identity.pipeline, identity.run_id)
            self.cluster_id = found.id
            self.reporter.line(clusters.describe_change(found))
            return found
        return self.context.effects.describe_cluster(self.cluster_id)

    def _step(self, wanted: StepSettings) -> None:
        cluster = self._find_cluster()
        context = replace(self.context, tell=self.reporter.line)
        added, new = steps.add(context, cluster.id, wanted, self.ledger)
        if not new:
            self.reporter.line(f"step {added.name}: is there already as {added.id} ({added.state})")
        limit = wanted.timeout_seconds or self.limits.step_seconds
        try:
            done = steps.run_to_end(
                context,
                cluster.id,
                added,
                self.ledger,
                timeout_seconds=limit,
                interval_seconds=self.limits.interval_seconds,
            )
        except InterruptedRunError:
            # Without an owner here the cluster stays: at least the step must not go on unseen.
            if not self.plan.ends:
                steps.cancel(context, cluster.id, added)
            raise
        except KilnError as error:
            self._failed_step(cluster, added, error)
            raise
        self.step_results.append(_step_result(done))

    def _failed_step(self, cluster: Cluster, step: Step, error: KilnError) -> None:
        """Gather the cause while the nodes are still there; not finding it changes nothing."""
        patient = self.context.unstoppable()
        try:
            (seen,) = steps.states_of(patient, cluster.id, [step.id])
            self.step_results.append(_step_result(seen))
            if error.exit_code is ExitCode.STEP_FAILED:
                self.details = self.explain(patient, cluster, seen)
        except Exception as problem:  # noqa: BLE001  # the step's own failure is the news
            self.reporter.line(f"the cause could not be read: {problem}")

    def _must_end(self, error: KilnError | None) -> bool:
        if isinstance(error, InterruptedRunError):
            return self.plan.ends or self.in_launch
        if error is not None and self.plan.phases and self.limits.keep_failed:
            return False
        return self.plan.ends

    def _end(self) -> None:
        context = replace(self.context.unstoppable(), tell=self.reporter.line)
        waiting = clusters.Waiting(
            timeout_seconds=self.limits.terminate_seconds,
            interval_seconds=self.limits.interval_seconds,
        )
        with self._timed(TERMINATE):
            ended = clusters.end_run(context, self.identity, self.ledger, waiting)
            if not ended:
                self.reporter.line("no cluster of this run is live")

    def _result(self, error: KilnError | None, ending: KilnError | None, seconds: float) -> Result:
        """Return the verdict. A cluster that may still cost money is worse news than whatever came before."""
        news = ending or error
        result = Result(
            environment=self.identity.environment,
            pipeline=self.identity.pipeline,
            run_id=self.identity.run_id,
            cluster_id=self.cluster_id,
            seconds=round(seconds, 1),
            phases=self.phases,
            steps=self.step_results,
            ledger=self.ledger.uri,
        )
        if news is not None:
            first = f" (before that: {error.message})" if error and news is not error else ""
            result.exit_code, result.exit_name = int(news.exit_code), news.exit_code.name.lower()
            result.message, result.fix = news.message + first, news.fix
            result.details = self.details or list(news.details)
        self._look_around(result)
        result.verdict = self._verdict(news).value
        self._guarded(lambda: self._remember(result))
        return result

    def _look_around(self, result: Result) -> None:
        """Add what AWS says now: the cluster's state, logs, outputs. None of it changes the verdict."""
        self._guarded(lambda: self._add_cluster(result))
        done = {step.name for step in self.step_results if step.state == "COMPLETED"}
        wanted = [phase.step for phase in self.plan.phases if phase.step and phase.name in done]
        self._guarded(lambda: result.outputs.extend(outputs.collect(self.context.effects, wanted)))

    def _add_cluster(self, result: Result) -> None:
        if result.cluster_id is None:
            run = self.ledger.read_if_possible()
            known = [attempt.cluster_id for attempt in run.attempts if attempt.cluster_id] if run else []
            result.cluster_id = known[-1] if known else None
        if result.cluster_id is not None:
            cluster = self.context.effects.describe_cluster(result.cluster_id)
            result.cluster_state = cluster.state
            result.logs = [f"{cluster.log_uri}{cluster.id}/"] if cluster.log_uri else []

    def _verdict(self, news: KilnError | None) -> Verdict:
        if isinstance(news, InterruptedRunError) or (news and news.exit_code is ExitCode.STEP_CANCELLED):
            return Verdict.CANCELLED
        if news is not None:
            return Verdict.FAILED
        if self.plan.whole:
            return states.verdict_of_steps(step.state for step in self.step_results)
        return self._verdict_of_ledger() if self.plan.ends else Verdict.RUNNING

    def _verdict_of_ledger(self) -> Verdict:
        """Judge a run whose actions came one by one: by the last try of each of its steps."""
        run = self.ledger.read_if_possible()
        if run is None:
            return Verdict.RUNNING
        latest = {entry.name: entry.state or "INTERRUPTED" for entry in run.steps}
        if run.exit_code and not latest:
            return Verdict.FAILED
        return states.verdict_of_steps(latest.values())

    def _remember(self, result: Result) -> None:
        def change(run: Run) -> None:
            run.verdict, run.exit_code, run.message = result.verdict, result.exit_code, result.message
            run.data_date = self.data_date or run.data_date
            run.outputs = [msgspec.to_builtins(one) for one in result.outputs] or run.outputs

        # A run of which nothing was ever written has nothing to remember: nothing was launched.
        if self._is_known():
            self.ledger.try_update(change)

    def remember_phase(self, entry: PhaseEntry) -> None:
        """Write a phase down as soon as it is over."""
        self.phases.append(entry)
        if entry.name != TERMINATE or self._is_known():
            self.ledger.try_update(lambda run: run.phases.append(entry))

    def _is_known(self) -> bool:
        """Tell whether anything was ever written about this run."""
        return self.cluster_id is not None or self.ledger.read_if_possible() is not None


def _unconfirmed(error: KilnError | None) -> KilnError | None:
    """Whatever goes wrong while a cluster is ended: nobody has confirmed its end."""
    if error is None or isinstance(error, NotTerminatedError):
        return error
    return NotTerminatedError(f"ending the cluster failed: {error.message}", fix=error.fix)


def _nothing() -> None:
    """Nothing is watched beside this playbook."""


def _step_result(step: Step) -> StepResult:
    return StepResult(name=step.name, id=step.id, state=step.state, seconds=steps.seconds(step))


class _Timed:
    """Times a phase for the reporter, the result and the ledger."""

    def __init__(self, execution: Execution, name: str) -> None:
        self._execution = execution
        self._name = name
        self._shown = execution.reporter.phase(name)
        self._started = execution.context.clock.monotonic()

    def __enter__(self) -> None:
        self._shown.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shown.__exit__(kind, error, traceback)
        seconds = round(self._execution.context.clock.monotonic() - self._started, 1)
        status = "ok" if kind is None else "failed"
        self._execution.remember_phase(PhaseEntry(name=self._name, status=status, seconds=seconds))


class _ClusterWatcher:
    """Shows the cluster's states while the launch playbook waits for it."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._interval = execution.limits.interval_seconds
        self._next = execution.context.clock.monotonic() + self._interval
        self._shown = ""

    def __call__(self) -> None:
        execution = self._execution
        now = execution.context.clock.monotonic()
        if now < self._next:
            return
        self._next = now + self._interval
        try:
            self._look(execution)
        except KilnError:
            # The playbook is the one that decides.
            self._interval *= 2

    def _look(self, execution: Execution) -> None:
        if execution.cluster_id is None:
            run = execution.ledger.read_if_possible()
            execution.cluster_id = run.attempts[-1].cluster_id if run and run.attempts else None
            if execution.cluster_id is None:
                return
        line = clusters.describe_change(execution.context.effects.describe_cluster(execution.cluster_id))
        if line != self._shown:
            self._shown = line
            execution.reporter.line(line)
