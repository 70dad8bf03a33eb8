"""From ACTIONS to phases: what will be done, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln.errors import UsageError
from kiln.settings.files import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.settings.model import StepSettings

PLAYBOOKS = ("launch", "provision", "deploy")
TERMINATE = "terminate"
RESERVED = frozenset({*PLAYBOOKS, TERMINATE})


class Phase(msgspec.Struct, frozen=True):
    """One part of a run: a playbook, a step (`step` is set), or the end of the cluster."""

    name: str
    step: StepSettings | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The phases before the end, and whether this command answers for the cluster's end.

    `whole` is a run without ACTIONS. `ends` also covers action lists with `terminate` in them.
    """

    phases: tuple[Phase, ...]
    whole: bool
    ends: bool

    @property
    def launches(self) -> bool:
        """Tell whether a cluster is launched."""
        return any(phase.name == "launch" and phase.step is None for phase in self.phases)

    @property
    def uses_cluster(self) -> bool:
        """Tell whether anything is done on a cluster."""
        return bool(self.phases)


def actions(argument: str | None) -> list[str]:
    """Split the comma list of the command line; without one the whole pipeline is meant.

    Raises UsageError for a list with nothing in it: an empty variable in a DAG must not launch a whole run.
    """
    if argument is None:
        return []
    found = [word.strip() for word in argument.split(",") if word.strip()]
    if not found:
        raise UsageError(
            f"ACTIONS is {argument!r}: no action in it", fix="leave it out for the whole pipeline"
        )
    return found


def known_actions(steps: Sequence[StepSettings]) -> list[str]:
    """Return every action that a pipeline has."""
    names = [name for step in steps for name in (step.group, step.name) if name]
    return [*PLAYBOOKS, *dict.fromkeys(names), TERMINATE]


def make(wanted: Sequence[str], steps: Sequence[StepSettings]) -> Plan:
    """Return the plan. Raises UsageError for an unknown action, or `terminate` before the end."""
    _check_names(steps)
    if not wanted:
        phases = [Phase(name) for name in PLAYBOOKS] + [Phase(step.name, step) for step in steps]
        return Plan(phases=tuple(phases), whole=True, ends=True)
    known = known_actions(steps)
    for action in wanted:
        if action not in known:
            raise UsageError(
                f"unknown action {action}{did_you_mean(action, known)}", fix=f"actions: {', '.join(known)}"
            )
    if TERMINATE in wanted[:-1]:
        raise UsageError("terminate has to be the last action", fix="leave it out or move it to the end")
    phases = [phase for action in wanted for phase in _phases(action, steps)]
    return Plan(phases=tuple(phases), whole=False, ends=TERMINATE in wanted)


def _phases(action: str, steps: Sequence[StepSettings]) -> list[Phase]:
    if action == TERMINATE:
        return []
    if action in PLAYBOOKS:
        return [Phase(action)]
    return [Phase(step.name, step) for step in steps if action in {step.name, step.group}]


def _check_names(steps: Sequence[StepSettings]) -> None:
    """Raise UsageError when an action could mean two things."""
    names = [step.name for step in steps]
    for step in steps:
        if step.name in RESERVED or names.count(step.name) > 1:
            why = "is an action's name" if step.name in RESERVED else "is used twice"
            raise UsageError(f"steps: the step name {step.name} {why}", fix="rename the step")
        if step.group in RESERVED or (step.group in names and step.group != step.name):
            whose = "an action's name" if step.group in RESERVED else "another step's name"
            raise UsageError(
                f"steps: the group {step.group} of step {step.name} is {whose}", fix="rename the group"
            )
