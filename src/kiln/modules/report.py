"""From a kiln error to a module's failure message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln.errors import KilnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.modules.options import Options


def report(module: Any, work: Callable[[], Options]) -> None:
    """Do a module's work. Expected errors become Ansible's failure message, with kiln's exit code."""
    try:
        result = work()
    except KilnError as error:
        lines = (error.message, *error.details, *([f"fix: {error.fix}"] if error.fix else []))
        module.fail_json(
            msg="\n".join(lines),
            exit_code=int(error.exit_code),
            message=error.message,
            fix=error.fix,
            details=list(error.details),
        )
    else:
        module.exit_json(**result)
