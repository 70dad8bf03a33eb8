"""Steps of a run on their cluster: what AWS shows of them, and what the ledger keeps of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.effects import Step, StepRequest
from kiln.errors import ClusterNotFoundError, DeadlineError, StepNotFoundError, UsageError
from kiln.identity import Identity, label_of, step_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.ledger.schema import Run, StepEntry
    from kiln.ledger.store import Ledger
    from kiln.settings.model import StepSettings

_MOST_CHARACTERS = 256
IDS_PER_CALL = 10  # docs/aws_facts.md 1.5


class StepLateError(DeadlineError):
    """A step took longer than its own limit; the run's deadline had not passed then."""


def request(step: StepSettings, run: str = "") -> StepRequest:
    """Return what is sent to the API; `run` is the label of the run on a shared cluster, else empty.

    Raises UsageError for names that are too long together (XmlStringMaxLen256 in botocore's model of EMR).
    """
    if len(step_name(step.name, run)) > _MOST_CHARACTERS:
        raise UsageError(
            f"step {step.name}: its name and the run id are too long together for EMR",
            fix=f"shorten the run id or the name: at most {_MOST_CHARACTERS} characters with the pipeline's",
        )
    return StepRequest(
        name=step.name, run=run, jar=step.jar, args=step.args, action_on_failure=step.action_on_failure
    )


def label_on(run: Run | None, cluster_id: str) -> str:
    """Return the label that a run's steps have on a cluster: empty on its own ones."""
    if run is None or not run.shares(cluster_id):
        return ""
    return label_of(Identity(environment=run.environment, pipeline=run.pipeline, run_id=run.run_id))


def of_run(context: Context, run: Run | None, cluster_id: str) -> list[Step]:
    """Return the steps that a cluster has for a run, oldest first; of a shared one those of its ledger.

    None when AWS does not know the cluster (yet, or any more).
    """
    if run is None or not run.shares(cluster_id):
        return listed_if_any(context, cluster_id)
    ids = [one.step_id for one in run.steps if one.cluster_id == cluster_id and one.step_id]
    return list(seen_by_id(context, cluster_id, ids).values()) if ids else []


def states_of(context: Context, cluster_id: str, step_ids: Sequence[str]) -> list[Step]:
    """Return steps by id, in the order asked, with as few calls as the API allows.

    Those that AWS does not list are left out; raises StepNotFoundError when it refuses an id.
    """
    found: dict[str, Step] = {}
    for start in range(0, len(step_ids), IDS_PER_CALL):
        batch = step_ids[start : start + IDS_PER_CALL]
        found |= {step.id: step for step in context.effects.list_steps(cluster_id, batch)}
    return [found[step_id] for step_id in step_ids if step_id in found]


def seen_if_any(context: Context, cluster_id: str, step_id: str) -> Step | None:
    """Return a step as AWS shows it now; None when it does not know it (yet)."""
    try:
        return next(iter(states_of(context, cluster_id, [step_id])), None)
    except (StepNotFoundError, ClusterNotFoundError):
        return None


def seen_by_id(context: Context, cluster_id: str, step_ids: Sequence[str]) -> dict[str, Step]:
    """Return the steps that AWS shows now, by id; those that it does not know (yet) are left out."""
    try:
        return {step.id: step for step in states_of(context, cluster_id, step_ids)}
    except ClusterNotFoundError:
        return {}
    except StepNotFoundError:
        # One unknown id makes EMR refuse the whole call.
        if len(step_ids) == 1:
            return {}
    found = (seen_if_any(context, cluster_id, step_id) for step_id in step_ids)
    return {step.id: step for step in found if step is not None}


def listed_if_any(context: Context, cluster_id: str) -> list[Step]:
    """Return all steps of a cluster, oldest first; none of one that AWS does not know (yet, or any more)."""
    try:
        return context.effects.list_steps(cluster_id)
    except ClusterNotFoundError:
        return []


def record(ledger: Ledger, step_id: str, *, name: str, cluster_id: str, seen: Step | None = None) -> None:
    """Write a step's id, and its state and seconds when known, into the line of its intent."""

    def change(run: Run) -> None:
        for entry in entries_of(run, name, cluster_id):
            if entry.step_id in {None, step_id}:
                entry.step_id = step_id
                if seen is not None:
                    entry.state = seen.state
                    entry.seconds = seconds(seen)
                return

    ledger.try_update(change)


def entries_of(run: Run, name: str, cluster_id: str) -> Iterator[StepEntry]:
    """Return the additions of a step to a cluster, the newest first."""
    return (entry for entry in reversed(run.steps) if entry.name == name and entry.cluster_id == cluster_id)


def seconds(step: Step) -> float | None:
    """Return how long a step ran, or None while it does."""
    if step.started_at is None or step.ended_at is None:
        return None
    return round((step.ended_at - step.started_at).total_seconds(), 1)
