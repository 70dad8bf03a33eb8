"""What every form of `kiln run` shares: signals, progress, the execution, the summary and the JSON line."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kiln import paths, printable
from kiln.aws.context import Context
from kiln.clock import SystemClock, TickingClock
from kiln.commands import notifying, shared
from kiln.commands.notifying import Notifier
from kiln.display import failure, progress, summary, terminal
from kiln.emr.states import Verdict
from kiln.errors import KilnError
from kiln.exit_codes import ExitCode
from kiln.ledger import cancel_request
from kiln.ledger.store import Ledger
from kiln.playbooks.runner import AnsibleRunner
from kiln.reporter import Unfailing
from kiln.runs import execution, if_running
from kiln.runs.beating_playbooks import BeatingPlaybooks
from kiln.runs.expected import ExpectedTimes
from kiln.runs.result import Result
from kiln.settings.ansible_values import Question
from kiln.settings.model import Driver
from kiln.signals import Signals
from kiln.stop import Stop

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from kiln.commands.job import Job
    from kiln.emr.at_work import AtWork
    from kiln.notifications.slow import SlowWatch
    from kiln.playbooks.supervision import Playbooks
    from kiln.reporter import Reporter
    from kiln.settings.model import Account

# For how long a ledger that cannot be reached may hold up the end of a cluster.
_ASK_SECONDS = 10.0


class Session:
    """One `kiln run` from its command line to its exit code. Signals are handled from the beginning."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.root = paths.checkout()
        self.stop = Stop()
        # Once it is known which run is meant.
        self.run_id: str | None = None
        self._clock = SystemClock()
        self._signals = Signals(self.stop, lambda text: terminal.err(f"kiln: {text}"))

    def context(self, account: Account) -> Context:
        """Return the context of an account, which signals stop."""
        return Context(aws=shared.aws_of(account), clock=self._clock, stop=self.stop, report=self._report)

    def _report(self, text: str) -> None:
        self._signals.report(text)

    def execute(self, context: Context, job: Job) -> int:
        """Execute the phases, show how it went; return the exit code.

        A command that only ends a cluster waits for nobody. Raises LockedError (17, or 99 with `skip`) and
        DeadlineError when another run or command is at this work.
        """
        context = shared.sharing(context, job.account, job.question.environment)
        if job.selected.only_ends:
            _begin_nothing_more(context, job)
            result = self._run(context, job, None)
            job.lock(context).release()
            self.show(result, notify=lambda: self._notify(context, job, result, secrets.token_hex(8)))
            return result.exit_code
        began, seconds = context.clock.monotonic(), job.limits.run_seconds
        found = if_running.enter(
            job.arrival(context),
            job.if_running,
            waits_for_driver=job.waits_for_driver,
            timeout_seconds=seconds,
        )
        if isinstance(found, Result):
            self.show(found, is_own=False)
            return found.exit_code
        watch = self._notifier(context, job).slow_watch(
            job.selected.names, found.presence.id, is_whole=job.selected.whole
        )
        try:
            result = self._run(found.context, job.after(context.clock.monotonic() - began), found, watch)
        finally:
            found.leave()
        _end_as_replaced(result, found)
        self.show(result, notify=lambda: self._notify(context, job, result, found.presence.id))
        return result.exit_code

    @contextmanager
    def refusals_sent(self) -> Iterator[None]:
        """Send that the command was refused before its run began, when the block raises that."""
        try:
            yield
        except KilnError as error:
            self._refused(error)
            raise

    def _refused(self, error: KilnError) -> None:
        arguments = self.arguments
        question = Question(
            root=self.root, environment=arguments.env, pipeline=arguments.pipeline, run_id=self.run_id
        )
        names = (getattr(arguments, "actions", None) or "").split(",")
        notifying.refused(question, list(filter(None, names)), self.context, error)

    def _notify(self, context: Context, job: Job, result: Result, command: str) -> None:
        """Send what the end of the command comes to. The cluster has ended, and others may have the lock."""
        names, is_whole = job.selected.names, job.selected.whole
        self._notifier(context, job).ended(result, names, command, is_whole=is_whole)

    def _notifier(self, context: Context, job: Job) -> Notifier:
        account = job.account
        return Notifier(
            root=self.root,
            context=context,
            state_uri=account.kiln_state_uri,
            identity=job.identity,
            # The end of a cluster works whatever the other settings are.
            rows=lambda: (
                account.kiln_notifications if isinstance(account, Driver) else notifying.rows_of(job.question)
            ),
        )

    def _run(
        self, context: Context, job: Job, at_work: AtWork | None, watch: SlowWatch | None = None
    ) -> Result:
        expected = ExpectedTimes(self.root, job.question.environment, job.question.pipeline)
        reporter = Unfailing(progress.reporter(context.clock, expected.seconds, job.selected.names))
        kept, self._signals.report = self._signals.report, reporter.line
        self._signals.ends_cluster = job.selected.ends or job.selected.launches
        try:
            result = _execution(context, job, reporter, at_work, watch).run()
        finally:
            self._signals.report, self._signals.ends_cluster = kept, False
            reporter.close()
        expected.learn(result)
        return result

    def show(self, result: Result, *, is_own: bool = True, notify: Callable[[], None] = lambda: None) -> None:
        """Print the summary, the JSON line when it is wanted, and keep the result in the run's folder.

        `notify` reports on stderr, and is called before that line: BashOperator reads both streams as one,
        and takes the last line as XCom.
        """
        result.next = summary.next_commands(result)
        for line in summary.lines(result):
            terminal.err(line)
        if is_own:
            # The run is over and its ledger written: a full disk here changes nothing.
            with suppress(OSError):
                file = paths.run_folder(self.root, result.run_id) / "result.json"
                file.write_text(printable.json_of(result) + "\n")
        notify()
        if failure.wants_json(self.arguments):
            terminal.out_json(result)


def _begin_nothing_more(context: Context, job: Job) -> None:
    """Ask the commands that work on the run for their end: one in the pause between two attempts, too."""
    bounded = context.within(_ASK_SECONDS)
    ledger = Ledger(bounded.effects, bounded.clock, job.account.kiln_state_uri, job.identity)
    try:
        cancel_request.ask_drivers(ledger)
    except KilnError as error:
        context.report(f"whether a command works on the run is not known: {error.message}")


def _end_as_replaced(result: Result, at_work: AtWork) -> None:
    """End with exit 17 when another command has taken over: the run goes on there."""
    if at_work.lost is not None and result.exit_code not in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}:
        result.take_over(at_work.lost, None)
        result.verdict = Verdict.RUNNING.value


def _playbooks(job: Job, at_work: AtWork | None) -> Playbooks:
    """Return the playbooks of a run, which keep the heartbeat of its driver."""
    question = job.question
    # What only ends a cluster must work without a folder to write to.
    folder = paths.run_folder_if_possible if at_work is None else paths.run_folder
    environment = shared.environment_of(job.account)
    real = AnsibleRunner(
        root=question.root,
        inventory=question.root / "inventory" / question.environment,
        folder=folder(question.root, job.identity.run_id),
        environment=environment | ({paths.DRIVER_VARIABLE: at_work.presence.id} if at_work else {}),
        vault_password_file=paths.vault_password_file(question.root, question.environment),
    )
    return BeatingPlaybooks(real, at_work.presence.beat_if_due) if at_work else real


def _execution(
    context: Context, job: Job, reporter: Reporter, at_work: AtWork | None, watch: SlowWatch | None
) -> execution.Execution:
    identity = job.identity
    playbooks = _playbooks(job, at_work)

    def tick() -> None:
        reporter.tick()
        if watch is not None:
            watch.look()

    context = replace(context, clock=TickingClock(context.clock, tick))
    playbooks = BeatingPlaybooks(playbooks, tick)
    ledger = Ledger(context.effects, context.clock, job.account.kiln_state_uri, identity)
    if job.selected.whole or job.selected.launches:
        reporter.line(f"run {identity.run_id} of {identity.pipeline} in {identity.environment}")
    return execution.Execution(
        context=context,
        identity=identity,
        limits=job.limits,
        selection=job.selected,
        ledger=at_work.ledger if at_work else ledger,
        playbooks=playbooks,
        reporter=reporter,
        arguments=job.question.arguments(),
        explain=job.explain,
        data_date=job.question.date,
        attempts=job.attempts,
        shape=job.shape,
        existing=job.existing,
        expected=job.expected,
        resumes=job.resumes,
        skips_complete=job.skips_complete,
        kill=job.kill,
        ship=job.ship,
    )
