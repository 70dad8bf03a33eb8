"""What every form of `kiln run` shares: signals, progress, the execution, the summary and the JSON line."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln import paths, printable
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.commands import shared
from kiln.display import failure, progress, summary, terminal
from kiln.identity import Identity
from kiln.ledger.store import Ledger
from kiln.playbooks.runner import AnsibleRunner
from kiln.runs import execution
from kiln.runs.attempts import Policy
from kiln.runs.expected import ExpectedTimes
from kiln.signals import Signals
from kiln.stop import Stop

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from kiln.aws.effects import Cluster, Step
    from kiln.reporter import Reporter
    from kiln.runs.limits import Limits
    from kiln.runs.result import Result
    from kiln.runs.selection import Selection
    from kiln.settings.model import Account
    from kiln.settings.resolve import Question


def _no_cause(*_: object) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one command does: for which run, with which account and limits, and which phases."""

    question: Question
    account: Account
    selected: Selection
    limits: Limits
    owner: str = ""
    attempts: Policy = field(default_factory=Policy)
    explain: Callable[[Context, Cluster, Step], list[str]] = _no_cause


class Session:
    """One `kiln run` from its command line to its exit code. Signals are handled from the beginning."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.root = paths.checkout()
        self.stop = Stop()
        self._clock = SystemClock()
        self._signals = Signals(self.stop, lambda text: terminal.err(f"kiln: {text}"))

    def context(self, account: Account) -> Context:
        """Return the context of an account, which signals stop."""
        return Context(aws=shared.aws_of(account), clock=self._clock, stop=self.stop)

    def execute(self, context: Context, job: Job) -> int:
        """Execute the phases, show how it went; return the exit code."""
        expected = ExpectedTimes(self.root, job.question.environment, job.question.pipeline)
        reporter = progress.reporter(self._clock, expected.seconds, job.selected.names)
        self._signals.report = reporter.line
        try:
            result = _execution(context, job, reporter).run()
        finally:
            reporter.close()
        expected.learn(result)
        self._show(result)
        return result.exit_code

    def _show(self, result: Result) -> None:
        result.next = summary.next_commands(result)
        for line in summary.lines(result):
            terminal.err(line)
        # The run is over and its ledger written: a full disk here changes nothing.
        with suppress(OSError):
            file = paths.run_folder(self.root, result.run_id) / "result.json"
            file.write_text(printable.json_of(result) + "\n")
        if failure.wants_json(self.arguments):
            terminal.out_json(result)


def _execution(context: Context, job: Job, reporter: Reporter) -> execution.Execution:
    question, account = job.question, job.account
    identity = Identity(
        environment=question.environment,
        pipeline=question.pipeline,
        run_id=question.run_id or "",
        owner=job.owner,
    )
    # What only ends a cluster must work without a folder to write to.
    folder = paths.run_folder_if_possible if job.selected.only_ends else paths.run_folder
    if job.selected.whole or job.selected.launches:
        reporter.line(f"run {identity.run_id} of {identity.pipeline} in {identity.environment}")
    return execution.Execution(
        context=context,
        identity=identity,
        limits=job.limits,
        selection=job.selected,
        ledger=Ledger(context.effects, context.clock, account.kiln_state_uri, identity),
        playbooks=AnsibleRunner(
            root=question.root,
            inventory=question.root / "inventory" / question.environment,
            folder=folder(question.root, identity.run_id),
            environment=shared.environment_of(account),
            vault_password_file=paths.vault_password_file(question.root, question.environment),
        ),
        reporter=reporter,
        arguments=question.arguments(),
        explain=job.explain,
        data_date=question.date,
        attempts=job.attempts,
    )
