"""The rows of steps that a module was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.settings import typed
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from kiln.ansible_modules.options import Options


def step_rows(options: Options, label: str) -> tuple[StepSettings, ...]:
    """Return the option `steps` as typed rows. Raises UsageError, which names `label`."""
    # Ansible fills in None for what was not given.
    given = [{key: value for key, value in one.items() if value is not None} for one in options["steps"]]
    return typed.convert(given, tuple[StepSettings, ...], label=label, key="steps")
