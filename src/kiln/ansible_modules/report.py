"""From an error of kiln to the failure of a module or an action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln import printable
from kiln.errors import KilnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.ansible_modules.options import Options


def report(module: Any, work: Callable[[], Options]) -> None:
    """Do a module's work. Expected errors become Ansible's failure message, with kiln's exit code."""
    try:
        result = work()
    except KilnError as error:
        module.fail_json(**failure(error))
    else:
        module.exit_json(**result)


def failure(error: KilnError) -> dict[str, Any]:
    """Return what a module or an action answers for an expected error.

    ansible-playbook prints it as it is, so control characters are escaped here. `cluster_id` is a cluster
    that had been launched before the error came; empty when there is none.
    """
    message, fix = printable.line_of(error.message), printable.line_of(error.fix)
    details = [printable.line_of(line) for line in error.details]
    return {
        "failed": True,
        "msg": "\n".join((message, *details, *([f"fix: {fix}"] if fix else []))),
        "exit_code": int(error.exit_code),
        "failure_class": error.failure_class.value,
        "message": message,
        "fix": fix,
        "details": details,
        "cluster_id": error.cluster_id or "",
    }
