"""From an error of kiln to the failure of a module or an action."""

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
        module.fail_json(**failure(error))
    else:
        module.exit_json(**result)


def failure(error: KilnError) -> dict[str, Any]:
    """Return what a module or an action answers for an expected error."""
    lines = (error.message, *error.details, *([f"fix: {error.fix}"] if error.fix else []))
    return {
        "failed": True,
        "msg": "\n".join(lines),
        "exit_code": int(error.exit_code),
        "message": error.message,
        "fix": error.fix,
        "details": list(error.details),
    }
