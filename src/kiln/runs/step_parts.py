"""A part of a pipeline's steps: --only, --from and --until of a whole run and of resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln.errors import UsageError
from kiln.settings import step_needs
from kiln.settings.names import did_you_mean, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from kiln.settings.model import StepSettings


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Which steps are meant, by names of steps or groups: these only, or from one on, or up to one.

    `again`: those that are complete run, too; with a `request`, unless they were added for this request.
    """

    only: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    again: bool = False
    request: str = ""

    @property
    def is_all(self) -> bool:
        """Return whether no step is left out."""
        return not (self.only or self.first or self.last)


EVERYTHING = Part()


def asked(arguments: argparse.Namespace) -> Part:
    """Return the part that a command line names. Raises UsageError for an empty name or list."""
    given = {"--only": arguments.only, "--from": arguments.first, "--until": arguments.last}
    for option, value in given.items():
        if value is not None and not value.replace(",", "").strip():
            raise UsageError(f"{option} names no step", fix=f"name one, or leave {option} out")
    if arguments.only and (arguments.first or arguments.last):
        raise UsageError("--only names the steps already", fix="leave --from and --until out")
    only = tuple(word.strip() for word in (arguments.only or "").split(",") if word.strip())
    request = arguments.again_once or ""
    return Part(
        only=only,
        first=arguments.first or "",
        last=arguments.last or "",
        again=arguments.again or bool(request),
        request=request,
    )


def pick(steps: Sequence[StepSettings], part: Part) -> list[StepSettings]:
    """Return the steps of a part, in the pipeline's order. Raises UsageError for a name that none has.

    In a sequence it goes by order. In a graph `first` also takes all that needs it, `last` all that it needs;
    clean-up steps belong to both.
    """
    needs = step_needs.of(steps)
    before = {name: step_needs.ancestors(needs, name) | {name} for name in needs}
    chosen = {step.name for step in steps}
    if part.only:
        chosen = {name for word in part.only for name in _named(steps, word, "--only")}
    if part.first:
        first = _named(steps, part.first, "--from")
        chosen &= {step.name for step in steps if step.always or before[step.name] & first}
    if part.last:
        last = {one for name in _named(steps, part.last, "--until") for one in before[name]}
        chosen &= {step.name for step in steps if step.always or step.name in last}
    return [step for step in steps if step.name in chosen]


def _named(steps: Sequence[StepSettings], word: str, option: str) -> set[str]:
    found = {step.name for step in steps if word in {step.name, step.group}}
    if not found:
        known = list(dict.fromkeys(name for step in steps for name in (step.group, step.name) if name))
        raise UsageError(
            f"{option}: there is no step {shown(word)}{did_you_mean(word, known)}",
            fix=f"steps: {', '.join(known)}" if known else "the pipeline has no steps",
        )
    return found
