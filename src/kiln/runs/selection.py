"""From ACTIONS to the phases of a command, in their order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from kiln import phases
from kiln.errors import UsageError
from kiln.runs import step_parts
from kiln.runs.step_parts import EVERYTHING
from kiln.settings import step_needs
from kiln.settings.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kiln.phases import Need, Phase
    from kiln.runs.step_parts import Part
    from kiln.settings.model import StepSettings
    from kiln.settings.step_needs import Needs

_PLAYBOOKS = {row.name: row for row in phases.PLAYBOOKS}


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
    # What each step of the pipeline waits for (settings.step_needs), and which steps run also when complete:
    # with a `request`, only while their last try was not added for it.
    step_needs: Needs = {}
    again: frozenset[str] = frozenset()
    request: str = ""
    # Steps that are added and not waited for.
    leaves: frozenset[str] = frozenset()
    # Whether steps are added; else their last tries are waited for and judged.
    adds: bool = True

    @property
    def launches(self) -> bool:
        """Return whether a cluster is launched."""
        return any(phase.row.launches for phase in self.phases)

    @property
    def only_ends(self) -> bool:
        """Return whether this is the end of a cluster and nothing else."""
        return not self.phases

    @property
    def only_steps(self) -> bool:
        """Return whether these are steps and nothing else: neither a launch nor the cluster's end."""
        return bool(self.phases) and not self.ends and all(phase.step for phase in self.phases)

    @property
    def steps(self) -> tuple[StepSettings, ...]:
        """Return the selected steps."""
        return tuple(phase.step for phase in self.phases if phase.step)

    @property
    def stages(self) -> list[tuple[SelectedPhase, ...]]:
        """Return what is done one after the other: a playbook, or steps that follow each other."""
        grouped = itertools.groupby(enumerate(self.phases), lambda one: -1 if one[1].step else one[0])
        return [tuple(phase for _, phase in group) for _, group in grouped]

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


def make(wanted: Sequence[str], steps: Sequence[StepSettings], part: Part = EVERYTHING) -> Selection:
    """Return the selected phases; `part` is that of a whole run's steps.

    Raises UsageError for an unknown action or step, or `terminate` before the end.
    """
    last = phases.TERMINATE.name
    if not wanted:
        chosen = step_parts.pick(steps, part)
        selected = [SelectedPhase(row) for row in phases.BEFORE_STEPS] + [_of_step(step) for step in chosen]
        return Selection(
            phases=tuple(selected),
            whole=True,
            ends=True,
            step_needs=step_needs.of(steps),
            again=_names(chosen) if part.again else frozenset(),
            request=part.request,
        )
    if not part.is_all:
        raise UsageError(
            "--only, --from and --until choose steps of a whole run", fix="leave them out, or ACTIONS"
        )
    known = known_actions(steps)
    for name in phases.ALONE:
        if name in wanted:
            raise UsageError(
                f"{name} belongs to no run: it is the only action of its command",
                fix="run it by itself, before the launch",
            )
    for action in wanted:
        if action not in known:
            raise UsageError(
                f"unknown action {action}{did_you_mean(action, known)}", fix=f"actions: {', '.join(known)}"
            )
    if last in wanted[:-1]:
        raise UsageError(f"{last} has to be the last action", fix="leave it out or move it to the end")
    selected = [phase for action in wanted if action != last for phase in _selected(action, steps)]
    chosen = [phase.step for phase in selected if phase.step]
    return Selection(
        phases=tuple(selected),
        whole=False,
        ends=last in wanted,
        # Steps of a sequence that are asked for one by one run in the order asked for.
        step_needs=step_needs.of(_unique(chosen) if step_needs.is_sequence(steps) else steps),
        again=_names(chosen) if part.again else frozenset(),
        request=part.request,
    )


def _names(steps: Iterable[StepSettings]) -> frozenset[str]:
    return frozenset(step.name for step in steps)


def _unique(steps: Iterable[StepSettings]) -> list[StepSettings]:
    return list({step.name: step for step in steps}.values())


def _selected(action: str, steps: Sequence[StepSettings]) -> list[SelectedPhase]:
    if action in _PLAYBOOKS:
        return [SelectedPhase(_PLAYBOOKS[action])]
    return [_of_step(step) for step in steps if action in {step.name, step.group}]


def _of_step(step: StepSettings) -> SelectedPhase:
    return SelectedPhase(phases.STEP, step)
