"""Kiln's own programs that steps run: written to S3, where nodes can read them, before the steps begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.content import put_once
from kiln.step_programs import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kiln.aws.effects import Effects
    from kiln.settings.model import StepSettings


def publish(effects: Effects, steps: Iterable[StepSettings]) -> None:
    """Write the programs that steps name in their arguments, each once. Raises what writing raises."""
    for step in steps:
        for address, body in catalogue.named_in(step.args).items():
            put_once(effects, address, body)
