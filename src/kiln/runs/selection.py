"""From ACTIONS to the phases of a command, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import phases
from kiln.errors import UsageError
from kiln.settings.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.phases import Need, Phase
    from kiln.settings.model import StepSettings

_PLAYBOOKS = {row.name: row for row in phases.BEFORE_STEPS}


class SelectedPhase(msgspec.Struct, frozen=True):
    """A row of the table of phases, with the step that it stands for if there is one."""

    row: Phase
    step: StepSettings | None = None

    @property
    def name(self) -> str:
        """Return the name in the result and in the ledger: the row's, or the step's."""
        return self.step.name if self.step else self.row.name


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The phases before the end, and whether this command answers for the cluster's end.

    `whole` is a run without ACTIONS. `ends` also covers action lists with `terminate` in them.
    """

    phases: tuple[SelectedPhase, ...]
    whole: bool
    ends: bool

    @property
    def launches(self) -> bool:
        """Return whether a cluster is launched."""
        return any(phase.row.launches for phase in self.phases)

    @property
    def only_ends(self) -> bool:
        """Return whether this is the end of a cluster and nothing else."""
        return not self.phases

    @property
    def names(self) -> list[str]:
        """Return the names of all phases, the end among them."""
        return [phase.name for phase in self.phases] + [phases.TERMINATE.name] * self.ends

    def needs(self, *wanted: Need) -> bool:
        """Return whether one of the phases needs all of these."""
        return any(set(wanted) <= phase.row.needs for phase in self.phases)


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


def launches(wanted: Sequence[str]) -> bool:
    """Return whether a list of actions launches a cluster, before the pipeline's steps are known."""
    return not wanted or any(row.name in wanted for row in phases.TABLE if row.launches)


def known_actions(steps: Sequence[StepSettings]) -> list[str]:
    """Return every action that a pipeline has."""
    names = [name for step in steps for name in (step.group, step.name) if name]
    return [*_PLAYBOOKS, *dict.fromkeys(names), phases.TERMINATE.name]


def make(wanted: Sequence[str], steps: Sequence[StepSettings]) -> Selection:
    """Return the selected phases. Raises UsageError for an unknown action, or `terminate` before the end."""
    _check_names(steps)
    last = phases.TERMINATE.name
    if not wanted:
        selected = [SelectedPhase(row) for row in phases.BEFORE_STEPS] + [_of_step(step) for step in steps]
        return Selection(phases=tuple(selected), whole=True, ends=True)
    known = known_actions(steps)
    for action in wanted:
        if action not in known:
            raise UsageError(
                f"unknown action {action}{did_you_mean(action, known)}", fix=f"actions: {', '.join(known)}"
            )
    if last in wanted[:-1]:
        raise UsageError(f"{last} has to be the last action", fix="leave it out or move it to the end")
    selected = [phase for action in wanted if action != last for phase in _selected(action, steps)]
    return Selection(phases=tuple(selected), whole=False, ends=last in wanted)


def _selected(action: str, steps: Sequence[StepSettings]) -> list[SelectedPhase]:
    if action in _PLAYBOOKS:
        return [SelectedPhase(_PLAYBOOKS[action])]
    return [_of_step(step) for step in steps if action in {step.name, step.group}]


def _of_step(step: StepSettings) -> SelectedPhase:
    return SelectedPhase(phases.STEP, step)


def _check_names(steps: Sequence[StepSettings]) -> None:
    """Raise UsageError when an action could mean two things."""
    names = [step.name for step in steps]
    for step in steps:
        if step.name in phases.ACTIONS or names.count(step.name) > 1:
            why = "is an action's name" if step.name in phases.ACTIONS else "is used twice"
            raise UsageError(f"steps: the step name {step.name} {why}", fix="rename the step")
        if step.group in phases.ACTIONS or (step.group in names and step.group != step.name):
            whose = "an action's name" if step.group in phases.ACTIONS else "another step's name"
            raise UsageError(
                f"steps: the group {step.group} of step {step.name} is {whose}", fix="rename the group"
            )
