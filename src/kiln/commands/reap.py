"""`kiln reap`: end what has been left running, by names and tags alone; a dry run without --yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln import paths
from kiln.commands import reap_messages, shared
from kiln.display import duration, failure, terminal
from kiln.emr import reaper
from kiln.emr.sweep import Asked
from kiln.emr.waiting import Waiting
from kiln.printable import line_of
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Reaping

if TYPE_CHECKING:
    import argparse

    from kiln.emr.reaper import Report, Row

_HEAD = ("ID", "PIPELINE", "RUN", "STATE", "AGE", "OWNER", "ACTION", "REASON")


def main(arguments: argparse.Namespace) -> int:
    """Show what would be ended; with --yes end it."""
    question = Question(root=paths.checkout(), environment=arguments.env, pipeline="")
    account = resolve.part(question, Reaping)
    context = shared.context_of(account)
    asked = Asked(arguments.env, account.kiln_state_uri, account.kiln_reap_grace_seconds)
    limits = Waiting(
        timeout_seconds=account.kiln_terminate_timeout_seconds,
        interval_seconds=account.kiln_poll_interval_seconds,
    )
    report = reaper.reap(context, asked, limits) if arguments.yes else reaper.look(context, asked)
    if arguments.yes:
        reap_messages.send(context, arguments.env, account.kiln_state_uri, report)
    if failure.wants_json(arguments):
        _show_problems(report)
        terminal.out_json(_document(arguments, report))
    else:
        _show(arguments, report)
    return report.exit_code


def _document(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": "reap",
        "environment": arguments.env,
        "dry_run": not arguments.yes,
        "exit_code": report.exit_code,
        "rows": [msgspec.to_builtins(row) for row in report.rows.values()],
        "errors": [{"message": one.message, "fix": one.fix} for one in report.errors],
        "notes": report.notes,
    }


def _show(arguments: argparse.Namespace, report: Report) -> None:
    cells = [_HEAD, *(_cells(row) for row in report.rows.values())]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells if report.rows else ():
        terminal.out("  ".join(map(str.ljust, line, widths)).rstrip())
    to_end = [row for row in report.rows.values() if row.action == reaper.END]
    if not to_end:
        terminal.out(f"nothing to end in {arguments.env}")
    elif arguments.yes:
        terminal.out(f"{sum(row.ended for row in to_end)} of {len(to_end)} ended")
    else:
        command = paths.command("reap", "--env", arguments.env, "--yes")
        terminal.out(f"{len(to_end)} to end; nothing was changed. To end them: {command}")
    _show_problems(report)


def _cells(row: Row) -> tuple[str, ...]:
    action = "ended" if row.ended else row.action
    why = ": ".join(filter(None, (row.reason, row.why)))
    age = duration.duration(row.age_seconds)
    # Tags are text of others: a line break in one must not look like another row.
    shown = (row.id, row.pipeline, row.run_id, row.state, age, row.owner, action, why)
    return tuple(map(line_of, shown))


def _show_problems(report: Report) -> None:
    for error in report.errors:
        failure.show(error)
    for note in report.notes:
        terminal.err(f"note: {note}")
