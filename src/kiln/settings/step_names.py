"""Names of steps and of their groups: ACTIONS of the command line must mean one thing each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kiln.settings.model import StepSettings

_KEY = "steps"


def problems(steps: Sequence[StepSettings], place: Callable[[str], str]) -> Iterator[UsageError]:
    """Yield the names that an action or an earlier step has; `place` returns the file and line of a key."""
    names = [step.name for step in steps]
    for at, step in enumerate(steps):
        key = f"{_KEY}[{at}].name"
        first = names.index(step.name)
        if step.name in phases.ACTIONS:
            yield UsageError(f"{place(key)}: {key} is {step.name}, an action's name", fix="rename the step")
        elif first < at:
            yield UsageError(
                f"{place(key)}: {key} is {step.name}, as {_KEY}[{first}].name is", fix="rename one of them"
            )
        key = f"{_KEY}[{at}].group"
        if step.group in phases.ACTIONS:
            yield UsageError(f"{place(key)}: {key} is {step.group}, an action's name", fix="rename the group")
        elif step.group in names and step.group != step.name:
            yield UsageError(f"{place(key)}: {key} is {step.group}, a step's name", fix="rename the group")
