"""Cancelling steps: EMR is asked, then their YARN applications are killed, at last their processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from kiln.emr import states, steps, waiting
from kiln.errors import DeadlineError, KilnError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step

    # Ends the applications of a step in YARN; returns what it did, for people, nothing when there are none.
    Kill: TypeAlias = Callable[[Context, Cluster, Step], str]

# For how long a cancellation may delay what comes next, such as the end of the cluster.
SECONDS = 60.0
# For how long the end of a killed process may take to show.
KILLED_SECONDS = 30.0
_INTERVAL_SECONDS = 2.0
# For how long the end of a step's YARN applications may take.
_APPLICATIONS_SECONDS = 60.0
# CancelSteps takes no more ids (docs/aws_facts.md 1.5).
_MOST_IDS = 256


def nothing(*_: object) -> str:
    """Kill nothing."""
    return ""


class Outcome(NamedTuple):
    """How steps are after they were cancelled: by id as last seen, and why some have not ended."""

    seen: dict[str, Step]
    problem: str = ""

    def has_ended(self, step_id: str) -> bool:
        """Return whether a step has ended, cancelled or otherwise: EMR gives no guarantee."""
        return step_id in self.seen and self.seen[step_id].state in states.STEP_ENDED


def ask(context: Context, cluster_id: str, step_ids: Sequence[str]) -> Outcome:
    """Ask for the end of steps and wait a minute for it. Never raises."""
    return _ask(context, cluster_id, step_ids, SECONDS, force=False)[0]


def end(context: Context, cluster: Cluster, step_ids: Sequence[str], kill: Kill) -> Outcome:
    """End steps on a cluster that stays: ask, kill what they have left in YARN, kill their processes.

    A YARN application in cluster mode outlives its step's process (docs/aws_facts.md 1.5). Whatever ends
    steps on a cluster that stays calls this: a signal, a deadline, `kiln cancel`, the terminate action, and
    a run that takes over from a dead driver. Never raises.
    """
    outcome, timed_out = _ask(context, cluster.id, step_ids, SECONDS, force=False)
    for step_id in step_ids:
        step = outcome.seen.get(step_id)
        if step is not None and (done := _killed(context, cluster, kill, step)):
            context.report(f"step {step.name}: {done}")
    left = [step_id for step_id in step_ids if not outcome.has_ended(step_id)]
    # When AWS did not take the request, another one in the same minute would not be taken either.
    if not left or not timed_out:
        return outcome
    names = ", ".join(outcome.seen[one].name if one in outcome.seen else one for one in left)
    context.report(f"step {names}: has ignored its cancellation for {SECONDS:.0f} s; its process is killed")
    forced, _ = _ask(context, cluster.id, left, KILLED_SECONDS, force=True)
    return Outcome(outcome.seen | forced.seen, forced.problem)


def _killed(context: Context, cluster: Cluster, kill: Kill, step: Step) -> str:
    try:
        return kill(context.unstoppable().within(_APPLICATIONS_SECONDS), cluster, step)
    except Exception as problem:  # noqa: BLE001  # what comes after it ends the step's process all the same
        return f"its YARN applications could not be killed: {problem}"


def _ask(
    context: Context, cluster_id: str, step_ids: Sequence[str], seconds: float, *, force: bool
) -> tuple[Outcome, bool]:
    """Ask and wait; return how the steps are then, and whether the time was over."""
    teardown = context.unstoppable().within(seconds)
    seen: dict[str, Step] = {}

    def poll(bounded: Context) -> list[str]:
        seen.update(steps.seen_by_id(bounded, cluster_id, step_ids))
        return [one.state for one in seen.values()]

    def done(_: list[str]) -> bool:
        return all(Outcome(seen).has_ended(one) for one in step_ids)

    try:
        for start in range(0, len(step_ids), _MOST_IDS):
            batch = step_ids[start : start + _MOST_IDS]
            teardown.effects.cancel_steps(cluster_id, batch, force=force)
        waiting.until(
            teardown,
            poll,
            done,
            what="its cancellation",
            timeout_seconds=seconds,
            interval_seconds=_INTERVAL_SECONDS,
        )
    except KilnError as error:
        return Outcome(seen, error.message), isinstance(error, DeadlineError)
    return Outcome(seen), False
