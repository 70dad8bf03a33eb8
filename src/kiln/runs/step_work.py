"""Steps of a run at work on one cluster: added, watched together, judged one by one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from kiln.emr import add_steps, cancelling, clusters, known_steps, states, step_endings, steps
from kiln.errors import (
    DeadlineError,
    FencedError,
    InterruptedRunError,
    KilnError,
    StepCancelledError,
    ThrottledError,
    UnansweredError,
    UsageError,
)
from kiln.runs import late_steps, step_cause

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.diagnosis.cause import Cause
    from kiln.runs.step_terms import Terms
    from kiln.settings.model import StepSettings

# For how long the cause of a failure is asked for: the end of the cluster waits for it.
_CAUSE_SECONDS = 60.0
# For how long writing down how a step ended may delay what comes next.
_RECORD_SECONDS = 30.0


class Ended(NamedTuple):
    """What became of a step: as AWS showed it last, whether it was added now, and what went wrong.

    `cause` is why it failed, as far as its logs have it.
    """

    settings: StepSettings
    seen: Step | None
    added: bool = False
    error: KilnError | None = None
    cause: Cause | None = None

    @property
    def fails_run(self) -> bool:
        """Return whether the run has failed by this."""
        return self.error is not None and not self.settings.optional


@dataclass
class Active:
    """A step that is waited for. `ends_at` is its deadline, `own_limit`: it comes before the context's."""

    settings: StepSettings
    seen: Step
    added: bool
    began: float
    ends_at: float
    own_limit: bool
    phase: ExitStack
    reported: Step | None = None


@dataclass
class Work:
    """The steps that are active and those that have ended."""

    terms: Terms
    cluster: Cluster
    active: dict[str, Active] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    # Whether clean-up steps may begin after a failure, once that is decided.
    may_clean_up: bool | None = None

    @property
    def _context(self) -> Context:
        return self.terms.context

    def begin(self, step: StepSettings) -> None:
        """Add a step, or find it on the cluster, and wait for it from now on."""
        context, phase = self._context, ExitStack()
        entry = phase.enter_context(self.terms.phase(step.name))
        try:
            seen, added = self._added(step) if self.terms.adds else (self._last_try(step), False)
        except (InterruptedRunError, FencedError, StepCancelledError) as error:
            # These are about the whole run: also an optional step ends with them.
            phase.__exit__(type(error), error, error.__traceback__)
            raise
        except KilnError as error:
            self._leave(phase, Ended(step, None, error=error))
            return
        except BaseException as error:
            phase.__exit__(type(error), error, error.__traceback__)
            raise
        if not added:
            context.report(f"step {step.name}: exists already as {seen.id} ({seen.state})")
        entry.changed = added
        now = context.clock.monotonic()
        limit = now + (step.timeout_seconds or self.terms.limits.step_seconds)
        self.active[step.name] = Active(
            settings=step,
            seen=seen,
            added=added,
            began=now,
            ends_at=min(limit, context.ends_at),
            own_limit=limit < context.ends_at,
            phase=phase,
        )

    def _added(self, step: StepSettings) -> tuple[Step, bool]:
        context = self._context
        if not self._is_added(step):
            self.terms.before_step(context)
        again = step.name in self.terms.again
        return add_steps.add(
            context, self.cluster.id, step, self.terms.ledger, again=again, request=self.terms.request
        )

    def _last_try(self, step: StepSettings) -> Step:
        """Return the step as it was added last, however it has ended. Raises UsageError when it was not."""
        newest = known_steps.recorded(self.terms.ledger, self.cluster.id, step.name).newest
        if newest is None or newest.step_id is None:
            raise UsageError(
                f"step {step.name} is not on cluster {self.cluster.id}", fix="leave --no-add out"
            )
        return known_steps.shown(self._context, self.cluster.id, newest.step_id, step.name)

    @property
    def begun(self) -> set[str]:
        """Return the names of the steps that are active or have ended."""
        return {*self.active, *(one.settings.name for one in self.ended)}

    def leave(self) -> None:
        """Let what is active go on; nobody waits for it any more."""
        for one in self.active.values():
            one.phase.close()
            self.ended.append(Ended(one.settings, one.seen, one.added))
        self.active.clear()

    def poll(self) -> bool:
        """Ask AWS once about all active steps, and judge those that ended or are late.

        Returns whether anything is other than before. Raises what AWS's answers raise before a deadline.
        """
        bounded = replace(self._context, ends_at=min(one.ends_at for one in self.active.values()))
        try:
            changed, cluster_state = self._look(bounded)
        except (DeadlineError, ThrottledError, UnansweredError) as error:
            # AWS may fail to answer just then: a step is late all the same.
            if not self._late():
                raise
            self._end_late(error)
            return True
        for one in list(self.active.values()):
            if one.seen.state in states.STEP_ENDED or cluster_state in states.CLUSTER_ENDED:
                self._end(one)
        if self._late():
            self._end_late(None)
        return changed

    def _look(self, bounded: Context) -> tuple[bool, str]:
        found = steps.seen_by_id(bounded, self.cluster.id, [one.seen.id for one in self.active.values()])
        for one in self.active.values():
            # Reads may lag behind: a step that was there is taken to be as it was.
            one.seen = found.get(one.seen.id, one.seen)
        cluster = None
        if any(one.seen.state not in states.STEP_ENDED for one in self.active.values()):
            # Asked only about steps that go on: a cluster may end under a step that never does.
            cluster = clusters.seen(bounded, self.cluster.id)
        self.terms.on_poll(bounded, cluster)
        news = [one for one in self.active.values() if one.seen != one.reported]
        for one in news:
            self._context.report(f"step {one.settings.name}: {one.seen.state}")
            one.reported = one.seen
        return bool(news), cluster.state if cluster else ""

    def is_usable(self) -> bool:
        """Return whether the cluster takes steps, as far as AWS says."""
        try:
            cluster = clusters.seen(self._context, self.cluster.id)
        except InterruptedRunError:
            raise
        except KilnError:
            return False
        return cluster is not None and cluster.state in states.CLUSTER_USABLE

    def _is_added(self, step: StepSettings) -> bool:
        run = self.terms.ledger.read_if_possible()
        return run is not None and any(steps.entries_of(run, step.name, self.cluster.id))

    def _late(self) -> list[Active]:
        now = self._context.clock.monotonic()
        return [one for one in self.active.values() if one.ends_at <= now]

    def _end_late(self, error: KilnError | None) -> None:
        """Cancel the steps that take too long."""
        late, now = self._late(), self._context.clock.monotonic()
        outcome = self.cancel([one.seen.id for one in late])
        for one in late:
            one.seen = outcome.seen.get(one.seen.id, one.seen)
            problem = "" if outcome.has_ended(one.seen.id) else outcome.problem
            taken = f"step {one.settings.name} took longer than {now - one.began:.0f} s"
            if error is not None and not isinstance(error, DeadlineError):
                taken += f" ({error.message})"
            self._close(one, late_steps.error_of(taken, problem, own_limit=one.own_limit))

    def cancel(self, step_ids: list[str]) -> cancelling.Outcome:
        """End steps. Where the cluster stays, nothing of them may go on; else its end is not kept waiting."""
        if not self.terms.cancels:
            return cancelling.ask(self._context, self.cluster.id, step_ids)
        return cancelling.end(self._context, self.cluster, step_ids, self.terms.kill)

    def _end(self, one: Active) -> None:
        try:
            step_endings.judge(self._context, self.cluster.id, one.seen)
        except InterruptedRunError:
            raise
        except KilnError as error:
            self._close(one, error)
        else:
            self._close(one, None)

    def _close(self, one: Active, error: KilnError | None) -> None:
        del self.active[one.settings.name]
        self.record(one)
        seen, cause = self._cause(one.seen, error) if error else (one.seen, None)
        self._leave(one.phase, Ended(one.settings, seen, one.added, error, cause))

    def record(self, one: Active) -> None:
        """Write down how a step is. After a failure the end of the cluster waits for this."""
        bounded = self.terms.ledger.on(self._context.within(_RECORD_SECONDS).effects)
        steps.record(bounded, one.seen.id, name=one.settings.name, cluster_id=self.cluster.id, seen=one.seen)

    def _cause(self, step: Step, error: KilnError) -> tuple[Step, Cause | None]:
        """Read the cause while the nodes are still there; not finding it changes nothing."""
        bounded, seen = self._context.unstoppable().within(_CAUSE_SECONDS), step
        try:
            seen = steps.seen_if_any(bounded, self.cluster.id, step.id) or step
            cause = step_cause.of(error, seen, lambda: self.terms.explain(bounded, self.cluster, seen))
        except Exception as problem:  # noqa: BLE001  # the step's own failure must be reported all the same
            self._context.report(f"the cause could not be read: {problem}")
            return seen, None
        return seen, cause

    def _leave(self, phase: ExitStack, ended: Ended) -> None:
        """Keep how a step ended, and close its phase: failed, unless nobody depends on it."""
        self.ended.append(ended)
        error = ended.error
        if error is not None and ended.fails_run:
            phase.__exit__(type(error), error, error.__traceback__)
            return
        if error is not None:
            self._context.report(f"step {ended.settings.name} is optional, and failed: {error.message}")
        phase.close()

    def abandon(self, error: BaseException) -> None:
        """Leave what is active as it is, because of an error that is no step's."""
        for one in self.active.values():
            self.record(one)
            if isinstance(error, KilnError) and not isinstance(error, InterruptedRunError):
                seen, _ = self._cause(one.seen, error)
                self.ended.append(Ended(one.settings, seen, one.added, error))
            one.phase.__exit__(type(error), error, error.__traceback__)
        self.active.clear()
