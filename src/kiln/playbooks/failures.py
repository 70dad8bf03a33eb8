"""From the failed tasks of a playbook to one error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kiln.errors import PlaybookError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kiln.phases import Phase
    from kiln.playbooks.events import Event

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def failure_of(phase: Phase, failures: Sequence[Event], log: Path, root: Path) -> PlaybookError:
    """Return the error of a playbook from its failed tasks, in order; its first word is the phase.

    `log` holds Ansible's own output; it is shown as a path from `root` on.
    """
    name = phase.name
    shown = log.relative_to(root) if log.is_relative_to(root) else log
    if not failures:
        return PlaybookError(
            f"{name}: playbooks/{name}.yml failed",
            details=_errors_in(log),
            fix=f"read {shown}",
            exit_code=phase.failure,
        )
    first = failures[0]
    head, *rest = first.message.splitlines() or ["no message"]
    details = first.details or rest
    more = f" (and on {len(failures) - 1} more)" if len(failures) > 1 else ""
    # Kiln's own errors have an exit code and are complete; of any other failure the task is named.
    where = "" if first.exit_code else f"task '{first.task}' failed on {first.host}{more}: "
    return PlaybookError(
        f"{name}: {where}{head}",
        details=tuple(details[:20]),
        fix=first.fix or f"read {shown}",
        exit_code=first.exit_code or phase.failure,
        failure_class=first.failure_class if first.exit_code else None,
    )


def _errors_in(log: Path) -> tuple[str, ...]:
    """Return Ansible's own errors (an inventory that cannot be read), which are no task's."""
    lines = (
        [_COLOUR.sub("", line) for line in log.read_text(errors="replace").splitlines()]
        if log.is_file()
        else []
    )
    errors = [line for line in lines if "[ERROR]" in line or line.startswith("ERROR!")]
    return tuple((errors or lines)[-5:])
