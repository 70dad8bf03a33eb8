"""`kiln check`: all that is wrong with a pipeline's settings, or what they are and where each comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kiln import paths, run_ids
from kiln.commands import shared
from kiln.display import terminal
from kiln.errors import KilnError
from kiln.exit_codes import ExitCode
from kiln.runs import preflight, selection
from kiln.settings import names, resolve
from kiln.settings.ansible_values import Question
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    import argparse

    from kiln.settings.resolve import Examination

# Values that need a run have one while they are checked.
_RUN_ID = "check"


def main(arguments: argparse.Namespace) -> int:
    """Check a pipeline. Asks AWS only with --account. Exit 0, 2 for settings, else that of the account."""
    asked = question(arguments)
    found = Problems()
    examined = resolve.examine(asked, found)
    errors: list[KilnError] = list(found.found)
    if not errors and arguments.account:
        errors = _of_account(asked, examined)
    if arguments.output == "json":
        _show_json(arguments, examined, errors)
    else:
        _show(arguments, examined, errors)
    return int(errors[0].exit_code if errors else ExitCode.OK)


def question(arguments: argparse.Namespace) -> Question:
    """Return what is checked: the settings that a run with these arguments would have."""
    return Question(
        root=paths.checkout(),
        environment=arguments.env,
        pipeline=arguments.pipeline,
        extra=tuple(shared.absolute(extra) for extra in arguments.extra),
        run_id=run_ids.given(None, os.environ) or _RUN_ID,
        date=names.check_date(arguments.date) if arguments.date is not None else None,
    )


def _of_account(asked: Question, examined: Examination) -> list[KilnError]:
    """Return what a launch lacks."""
    if examined.driver is None or examined.shape is None:
        return []
    try:
        selected = selection.make([], examined.driver.steps)
        context = shared.context_of(examined.driver)
        settings = (examined.driver, examined.shape)
        preflight.check(preflight.Subject.of(asked, settings, context), selected)
    except KilnError as error:
        return [error]
    return []


def _show(arguments: argparse.Namespace, examined: Examination, errors: list[KilnError]) -> None:
    for error in errors:
        terminal.out(f"{error.message}; fix: {error.fix}" if error.fix else error.message)
    if errors:
        count = f"{len(errors)} problem{'s' if len(errors) > 1 else ''}"
        terminal.err(f"kiln: {arguments.pipeline} in {arguments.env}: {count}; nothing was launched")
        return
    width = max(len(key) for key in examined.values)
    for key, value in sorted(examined.values.items()):
        terminal.out(f"{key:<{width}}  {_text(value)}  ({examined.origins.get(key, '-e')})")


def _text(value: Any) -> str:
    from kiln.printable import json_of  # noqa: PLC0415

    return value if isinstance(value, str) and value else json_of(value)


def _show_json(arguments: argparse.Namespace, examined: Examination, errors: list[KilnError]) -> None:
    settings = {
        key: {"value": value, "origin": examined.origins[key]}
        for key, value in sorted(examined.values.items())
    }
    terminal.out_json(
        {
            "version": 1,
            "kind": "check",
            "environment": arguments.env,
            "pipeline": arguments.pipeline,
            "exit_code": int(errors[0].exit_code) if errors else 0,
            "problems": [
                {"message": one.message, "fix": one.fix, "details": list(one.details)} for one in errors
            ],
            "settings": settings,
        }
    )
