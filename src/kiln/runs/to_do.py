"""Which steps of a run are still to do, and why: from its ledger, what AWS says, and what steps have now."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kiln.emr import states, step_identity, steps
from kiln.ledger.schema import REFUSED, StepIdentity
from kiln.runs.result import StepResult
from kiln.settings import step_needs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kiln.aws.context import Context
    from kiln.ledger.schema import Run, StepEntry
    from kiln.settings.model import StepSettings
    from kiln.settings.step_needs import Needs

UNKNOWN = StepIdentity()


class Decision(NamedTuple):
    """Whether a step runs, and why, in a few words. `entry` is its last try, if it has any.

    `again`: it runs although this cluster has it complete, so StepGraph needs its name in its own `again`.
    `changed`: it is complete with another identity, and what differs.
    """

    settings: StepSettings
    runs: bool
    why: str
    entry: StepEntry | None = None
    again: bool = False
    changed: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Return the decision for people."""
        changed = f" ({'; '.join(self.changed)})" if self.changed else ""
        return f"step {self.settings.name}: {'runs' if self.runs else 'skipped'}: {self.why}{changed}"

    @property
    def result(self) -> StepResult | None:
        """Return how a step that is skipped has ended, for the result of the run."""
        if self.runs or self.entry is None or self.entry.step_id is None:
            return None
        return StepResult(
            name=self.entry.name,
            id=self.entry.step_id,
            state=self.entry.state or "",
            seconds=self.entry.seconds,
            optional=self.settings.optional,
        )


class _Kind(Enum):
    """What the last try of a step means for the next one."""

    RUNS = "runs in any case"
    DONE = "does not run"
    ELSEWHERE = "complete on another cluster: runs when a step that runs needs it"
    WITH_OTHERS = "runs when another step does"


class _Found(NamedTuple):
    kind: _Kind
    why: str
    changed: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What decides besides the steps themselves.

    `entries` are the ledger's, in their order, with states as AWS has them; `identities` what each step has
    now. `cluster_id` is the cluster that the run goes on with, None before a launch; `again` names the steps
    that run in any case.
    """

    entries: Sequence[StepEntry]
    identities: Mapping[str, StepIdentity]
    cluster_id: str | None
    live_clusters: Collection[str]
    again: Collection[str] = ()


def to_do(
    chosen: Sequence[StepSettings], needs: Needs, facts: Facts, *, whole: bool = True
) -> list[Decision]:
    """Decide about each of the chosen steps, in their order. `needs` is that of the whole pipeline.

    Done is what is complete with the same identity: on the cluster that the run goes on with, while that
    lives; elsewhere when it is durable, or when no step that runs needs it. With `whole` False the steps are
    asked for one by one: what is complete elsewhere and not durable runs. Clean-up steps, and optional ones
    that failed, run again when any other does.
    """
    last = {entry.name: entry for entry in facts.entries if entry.state != REFUSED}
    found = {one.name: _found(one, last.get(one.name), facts) for one in chosen}
    runs = {name for name, one in found.items() if one.kind is _Kind.RUNS}
    if runs:
        runs |= {name for name, one in found.items() if one.kind is _Kind.WITH_OTHERS}
    needs = step_needs.among(needs, list(found))
    because = {name: ", and other steps run" for name in runs if found[name].kind is _Kind.WITH_OTHERS}
    # Those that need others come first: they decide about what they need. Clean-up steps need no results.
    for one in reversed(step_needs.ordered(chosen, needs)):
        users = (other.name for other in chosen if not other.always and one.name in needs[other.name])
        user = next((name for name in users if name in runs), None)
        if found[one.name].kind is _Kind.ELSEWHERE and (user or not whole):
            runs.add(one.name)
            because[one.name] = f", and {user} needs it" if user else ", and it was asked for"
    return [
        Decision(
            settings=one,
            runs=one.name in runs,
            why=found[one.name].why + because.get(one.name, ""),
            entry=last.get(one.name),
            again=one.name in runs and _is_again(one, found[one.name], facts),
            changed=found[one.name].changed,
        )
        for one in chosen
    ]


def _is_again(step: StepSettings, found: _Found, facts: Facts) -> bool:
    """Return whether a step that runs may be complete on this cluster."""
    return step.name in facts.again or bool(found.changed) or found.kind is _Kind.WITH_OTHERS


def plan(
    context: Context,
    run: Run | None,
    chosen: Sequence[StepSettings],
    needs: Needs,
    *,
    cluster_id: str | None,
    again: Collection[str] = (),
    expected: StepIdentity = UNKNOWN,
    whole: bool = True,
) -> list[Decision]:
    """Decide about steps of a run by its ledger and AWS; `cluster_id` is live, or None before a launch.

    `expected` has the commit and the environment that a launch would deploy, as far as they are known; on a
    cluster its own count. Raises what AWS's answers raise, PreflightError for inputs that cannot be listed.
    """
    identities = {one.name: step_identity.of(context.effects, run, one, cluster_id) for one in chosen}
    if cluster_id is None:
        code = {"commit": expected.commit, "environment": expected.environment}
        identities = {name: msgspec.structs.replace(one, **code) for name, one in identities.items()}
    facts = Facts(
        entries=[_as_seen(context, entry) for entry in run.steps] if run else [],
        identities=identities,
        cluster_id=cluster_id,
        live_clusters={cluster_id} if cluster_id else set(),
        again=again,
    )
    return to_do(chosen, needs, facts, whole=whole)


def _as_seen(context: Context, entry: StepEntry) -> StepEntry:
    """Return a line of the ledger, completed by AWS: its driver ended before the step, or the line is old."""
    is_whole = entry.state in states.STEP_ENDED and entry.identity is not None
    if is_whole or entry.state == REFUSED or entry.step_id is None:
        return entry
    seen = steps.seen_if_any(context, entry.cluster_id, entry.step_id)
    if seen is None:
        return entry
    identity = step_identity.as_added(entry.identity, seen)
    return msgspec.structs.replace(entry, state=seen.state, seconds=steps.seconds(seen), identity=identity)


def _found(step: StepSettings, entry: StepEntry | None, facts: Facts) -> _Found:
    """Return what the last try of a step means."""
    if step.name in facts.again:
        return _Found(_Kind.RUNS, "it was asked for again")
    if entry is None:
        return _Found(_Kind.RUNS, "it has not run yet")
    where = f"{entry.step_id or 'an addition without answer'} on {entry.cluster_id}"
    if entry.state != "COMPLETED":
        if step.optional and entry.state in states.STEP_ENDED:
            return _Found(_Kind.WITH_OTHERS, f"{entry.state} as {where}, and it is optional")
        return _Found(_Kind.RUNS, f"{entry.state or 'not known to have ended'} as {where}")
    return _of_complete(step, entry, facts, where)


def _of_complete(step: StepSettings, entry: StepEntry, facts: Facts, where: str) -> _Found:
    is_here = entry.cluster_id == facts.cluster_id and entry.cluster_id in facts.live_clusters
    now = facts.identities.get(step.name, UNKNOWN)
    changed = step_identity.differences(entry.identity or UNKNOWN, now)
    if changed:
        lines = tuple(line for lines in changed.values() for line in lines)
        return _Found(_Kind.RUNS, f"complete as {where} with {' and '.join(changed)}", lines)
    why = f"complete as {where} with the same identity"
    if step.always:
        return _Found(_Kind.WITH_OTHERS, why)
    if is_here:
        return _Found(_Kind.DONE, why)
    if step.durable:
        return _Found(_Kind.DONE, f"{why}, and durable")
    return _Found(_Kind.ELSEWHERE, why)
