"""What each step of a pipeline waits for: the graph that `needs` and `always` describe, and its checks.

When no step names `needs`, the steps are a sequence: each needs the one before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.errors import UsageError
from kiln.settings.names import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from kiln.settings.model import StepSettings

# Step name -> names of the steps that have to end first.
Needs = dict[str, tuple[str, ...]]
_KEY = "steps"


def of(steps: Sequence[StepSettings]) -> Needs:
    """Return what each step waits for. An `always` step also waits for all steps that are none.

    In a sequence a step waits for the one before it, and `always` steps come last, in their order.
    """
    if is_sequence(steps):
        ordered = [step.name for step in (*_others(steps), *_clean_up(steps))]
        return {name: tuple(ordered[max(0, at - 1) : at]) for at, name in enumerate(ordered)}
    others = tuple(step.name for step in _others(steps))
    return {step.name: (*(others if step.always else ()), *(step.needs or ())) for step in steps}


def ordered(steps: Sequence[StepSettings], needs: Mapping[str, Sequence[str]]) -> list[StepSettings]:
    """Return steps in an order in which each comes after what it needs; otherwise as they stand.

    `needs` names no other steps (`among`).
    """
    found: dict[str, StepSettings] = {}
    left = list(steps)
    while left:
        ready = next((step for step in left if found.keys() >= set(needs[step.name])), left[0])
        found[ready.name] = ready
        left.remove(ready)
    return list(found.values())


def is_sequence(steps: Iterable[StepSettings]) -> bool:
    """Return whether no step says what it needs."""
    return all(step.needs is None for step in steps)


def ancestors(needs: Mapping[str, Sequence[str]], name: str) -> set[str]:
    """Return all that a step waits for, directly or not."""
    found: set[str] = set()
    pending = list(needs.get(name, ()))
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending.extend(needs.get(one, ()))
    return found


def among(needs: Mapping[str, Sequence[str]], names: Collection[str]) -> Needs:
    """Return what some of the steps wait for among themselves, also by way of steps that are left out."""
    return {name: tuple(_nearest(needs, name, names)) for name in names}


def _nearest(needs: Mapping[str, Sequence[str]], name: str, names: Collection[str]) -> list[str]:
    seen: dict[str, bool] = {}
    pending = list(needs.get(name, ()))
    while pending:
        one = pending.pop(0)
        if one not in seen:
            seen[one] = one in names
            pending.extend(needs.get(one, ()) if not seen[one] else ())
    return [one for one, is_chosen in seen.items() if is_chosen]


def check(steps: Sequence[StepSettings], label: str, *, concurrency: int = 1) -> None:
    """Raise UsageError for steps that no cluster could run; `label` says where they are set.

    With a step concurrency above 1 EMR accepts action_on_failure CONTINUE only (docs/aws_facts.md 1.4).
    """
    names = [step.name for step in steps]
    always = {step.name for step in _clean_up(steps)}
    for at, step in enumerate(steps):
        place = f"{label}: {_KEY}[{at}] ({step.name})"
        for one in step.needs or ():
            if one not in names:
                raise UsageError(
                    f"{place}.needs names {shown(one)}, and there is no such step{did_you_mean(one, names)}",
                    fix=f"name steps of the pipeline: {', '.join(names)}",
                )
            if (one in always) != step.always:
                kind = "is an always step" if step.always else "is none, and that one is an always step"
                raise UsageError(
                    f"{place}.needs names {one}, but {step.name} {kind}",
                    fix="always steps come after all others: they may only need each other",
                )
        if concurrency > 1 and step.action_on_failure != "CONTINUE":
            raise UsageError(
                f"{place}.action_on_failure is {step.action_on_failure}: EMR refuses it with "
                f"emr_cluster_step_concurrency_level {concurrency}",
                fix="set it to CONTINUE, or emr_cluster_step_concurrency_level to 1",
            )
    _check_cycles(steps, label)


def _check_cycles(steps: Sequence[StepSettings], label: str) -> None:
    needs = {step.name: step.needs or () for step in steps}
    around = [name for name in needs if name in ancestors(needs, name)]
    if around:
        raise UsageError(
            f"{label}: {_KEY}: {', '.join(around)} need each other in a circle",
            fix="remove one of these needs",
        )


def _others(steps: Iterable[StepSettings]) -> list[StepSettings]:
    return [step for step in steps if not step.always]


def _clean_up(steps: Iterable[StepSettings]) -> list[StepSettings]:
    return [step for step in steps if step.always]
