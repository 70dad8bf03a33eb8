"""The steps of a run on one cluster: each added when what it needs has ended, side by side as EMR allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln.aws.watch import Watched
from kiln.emr import waiting
from kiln.emr.node_watch import NodesLostError
from kiln.emr.steps import seconds
from kiln.errors import DeadlineError, InterruptedRunError, StepCancelledError
from kiln.ledger import cancel_request
from kiln.runs.result import StepResult
from kiln.runs.step_terms import Terms
from kiln.runs.step_work import Ended, Work
from kiln.settings import step_needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Wait
    from kiln.aws.effects import Cluster, Step
    from kiln.runs.result import Result
    from kiln.runs.to_do import Decision
    from kiln.settings.model import StepSettings


@dataclass(kw_only=True)
class StepGraph(Terms):
    """Runs steps on a cluster, on these terms."""

    # How the steps have ended so far, also after an error.
    ended: list[Ended] = field(default_factory=list, init=False)

    def run(self, cluster: Cluster, steps: Sequence[StepSettings]) -> list[Ended]:
        """Run steps to their ends. Raises the first error of one that is not optional, after all have ended.

        After a failure no more are added, but for those that are `always`. A step is late after its own
        limit, or at the deadline of the context, whichever comes first.
        """
        chosen = list({step.name: step for step in steps}.values())
        work = Work(self, cluster)
        self.ended = work.ended
        try:
            self._run(work, chosen)
        except (InterruptedRunError, StepCancelledError) as error:
            ids = [one.seen.id for one in work.active.values()]
            # Also a step that was added and that AWS does not show yet.
            ids += [error.step_id] if error.step_id is not None and error.step_id not in ids else []
            if self.cancels and ids:
                self._cancel(work, ids)
            work.abandon(error)
            raise
        except BaseException as error:
            if self.cancels and isinstance(error, NodesLostError) and work.active:
                self._cancel(work, [one.seen.id for one in work.active.values()])
            work.abandon(error)
            raise
        self._raise_first_error()
        return self.ended

    def do(self, cluster: Cluster, decisions: Sequence[Decision], result: Result) -> None:
        """Do what was decided about each step (runs.to_do), and fill the result. Raises what `run` raises.

        A step that is skipped is a phase that had been done before.
        """
        for one in decisions:
            if one.result is not None:
                with self.phase(one.settings.name):
                    result.steps.append(one.result)
        self.again = {*self.again, *(one.settings.name for one in decisions if one.again)}
        try:
            self.run(cluster, [one.settings for one in decisions if one.runs])
        finally:
            self.fill(result)

    def fill(self, result: Result) -> None:
        """Put how the steps ended into a result, also after an error."""
        for one in self.ended:
            if one.seen is not None:
                result.steps.append(_result_of(one.settings, one.seen))
            if one.fails_run and one.cause is not None and result.cause is None:
                result.details, result.cause = list(one.cause.lines), one.cause.summary()

    def _run(self, work: Work, steps: Sequence[StepSettings]) -> None:
        with waiting.watching(self.context, lambda: _watched(work)) as wait:
            self._loop(work, steps, wait)

    def _loop(self, work: Work, steps: Sequence[StepSettings], wait: Wait | None) -> None:
        needs = step_needs.among(self.needs, [step.name for step in steps])
        level = work.cluster.step_concurrency_level
        interval = waiting.Interval(self.context, self.limits.interval_seconds)
        while True:
            self.context.stop.check()
            for step in self._ready(work, steps, needs)[: max(0, level - len(work.active))]:
                self.context.stop.check()
                if self.context.is_over():
                    raise DeadlineError(f"step {step.name} was not begun: no time was left for it")
                work.begin(step)
                if work.ended and work.ended[-1].settings is step:
                    break  # not added: whether more may begin has to be decided anew
            if self.leaves and work.begun.issuperset(self.leaves):
                work.leave()
                return
            if not work.active:
                if not self._ready(work, steps, needs):
                    return
                continue
            before = len(work.ended)
            changed = work.poll()
            if work.active and len(work.ended) == before:
                left = min(one.ends_at for one in work.active.values()) - self.context.clock.monotonic()
                if wait is not None:
                    wait.about(_watched(work))
                seconds = interval.next(changed=changed)
                waiting.pause(self.context, wait, seconds, max(0.0, left), changed=changed)

    def _ready(
        self, work: Work, steps: Sequence[StepSettings], needs: step_needs.Needs
    ) -> list[StepSettings]:
        """Return the steps that may begin now, in the pipeline's order."""
        over = {one.settings.name for one in work.ended}
        failed = any(one.fails_run for one in work.ended)
        left = [step for step in steps if step.name not in over and step.name not in work.active]
        others = [step for step in left if not step.always and not failed]
        if others or any(not one.settings.always for one in work.active.values()):
            return [step for step in others if over.issuperset(needs[step.name])]
        clean_up = [step for step in left if step.always]
        if clean_up and failed and not self._may_clean_up(work, clean_up):
            return []
        after = {step.name for step in steps if step.always}
        return [step for step in clean_up if over.issuperset(after.intersection(needs[step.name]))]

    def _may_clean_up(self, work: Work, clean_up: Sequence[StepSettings]) -> bool:
        """Return whether steps can begin on the cluster of a run that has failed. Decided once."""
        if work.may_clean_up is None:
            over = self.context.is_over() or cancel_request.cancel_requested(self.ledger)
            work.may_clean_up = not over and work.is_usable()
            if not work.may_clean_up:
                self.context.report(f"not begun any more: {', '.join(step.name for step in clean_up)}")
        return work.may_clean_up

    def _cancel(self, work: Work, step_ids: list[str]) -> None:
        """Cancel what an interrupted command leaves. It may end otherwise: EMR gives no guarantee."""
        outcome = work.cancel(step_ids)
        left = [step_id for step_id in step_ids if not outcome.has_ended(step_id)]
        if left:
            self.context.report(f"step {', '.join(left)} was not cancelled: {outcome.problem}")

    def _raise_first_error(self) -> None:
        failed = [one for one in self.ended if one.fails_run]
        if not failed:
            return
        first, *others = failed
        assert first.error is not None  # noqa: S101  # fails_run
        if others:
            first.error.message += f"; also failed: {', '.join(one.settings.name for one in others)}"
        raise first.error


def _watched(work: Work) -> Watched:
    ids = tuple(one.seen.id for one in work.active.values())
    return Watched(cluster_id=work.cluster.id, step_ids=ids)


def _result_of(settings: StepSettings, seen: Step) -> StepResult:
    return StepResult(
        name=seen.name,
        id=seen.id,
        state=seen.state,
        seconds=seconds(seen),
        optional=settings.optional,
    )
