"""From a module's options to its answer: the account, the work, the failure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiln import advice
from kiln.ansible_modules.report import failure, report
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.errors import KilnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.ansible_modules.options import Options


def answer(module: Any, work: Callable[[Context, Any], Options]) -> None:
    """Do a module's work. Expected errors become Ansible's failure message, with kiln's exit code."""
    report(module, lambda: _done(module, work))


def result(asked: Any, work: Callable[[Context, Any], Options]) -> Options:
    """Do an action's work; return its result, or Ansible's failure. `asked` has `params`, as a module has."""
    try:
        return _done(asked, work)
    except KilnError as error:
        return failure(error)


def _done(asked: Any, work: Callable[[Context, Any], Options]) -> Options:
    from kiln.aws.boto import Boto  # noqa: PLC0415  boto3 is slow to import and tests need none

    options = asked.params
    config_file = Path(options["aws_config_file"]) if options["aws_config_file"] else None
    aws = Boto(region=options["region"], profile=options["profile"], config_file=config_file)
    return work(Context(aws=aws, clock=SystemClock(), by_hand=advice.is_by_hand()), asked)
