"""What commands have to say about a run, sent to those who ask for it. No fault here reaches the command."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kiln import paths
from kiln.display import terminal
from kiln.errors import caught
from kiln.exit_codes import ExitCode
from kiln.identity import Identity
from kiln.ledger.notices import NoticeStore
from kiln.notifications import caller, events, occasions
from kiln.notifications.delivery import SECONDS, Delivery, choice_of
from kiln.notifications.occasion import Choice, Facts, Occasion
from kiln.notifications.secrets import VaultSecrets
from kiln.notifications.slow import SlowWatch
from kiln.notifications.usual import Usual, usual
from kiln.runs.result import Result
from kiln.settings import notification_rows, resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Notifying

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.errors import KilnError
    from kiln.settings.notification_model import Notification

# After a signal Airflow waits for 60 s (killed_task_cleanup_time) before it kills the task.
_STOPPED_SECONDS = 10.0
# While a run goes on its heartbeat waits for the message.
_SLOW_SECONDS = 20.0
# For all that AWS is asked for a message, the record of it included.
_AWS_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Notifier:
    """The messages of one command. `rows` is asked when there is something to say, and may raise."""

    root: Path
    context: Context
    state_uri: str
    identity: Identity
    rows: Callable[[], Sequence[Notification]]

    def ended(self, result: Result, names: Sequence[str], command: str, *, is_whole: bool) -> None:
        """Send what the end of a command comes to. `names` are its phases, `command` its id."""
        who = caller.of(os.environ)
        choices = occasions.choices_of(result, who, command)
        shown = () if is_whole else names

        def send() -> None:
            if self._asking(choices):
                known = self.usual(names)
                self._deliver(occasions.of_result(result, choices, who, shown, known), self._seconds)

        if choices:
            self._report(caught(send))

    def slow_watch(self, names: Sequence[str], command: str, *, is_whole: bool) -> SlowWatch:
        """Return what warns when these phases take twice as long as usual."""
        who = caller.of(os.environ)
        choice = Choice(events.SLOW, f"slow/{who.key(command)}")

        def known() -> Usual:
            return self.usual(names) if self._asking((choice,)) else Usual()

        def warn(seconds: float, than: Usual) -> None:
            facts = occasions.of_slow(self.identity, who, () if is_whole else names, seconds, than)
            self._deliver(Occasion((choice,), facts), _SLOW_SECONDS)

        return SlowWatch(clock=self.context.clock, usual=known, warn=warn)

    def send(self, occasion: Occasion) -> bool:
        """Send an occasion; return whether all its messages were sent, by this command or an earlier one."""
        good = False

        def deliver() -> None:
            nonlocal good
            good = self._deliver(occasion, self._seconds)

        self._report(caught(deliver))
        return good

    def usual(self, names: Sequence[str]) -> Usual:
        """Return how long these phases usually take."""
        return usual(self._bounded, self.state_uri, self.identity, list(dict.fromkeys(names)))

    @property
    def _bounded(self) -> Context:
        return replace(self.context.unstoppable(), report=report).within(_AWS_SECONDS)

    @property
    def _seconds(self) -> float:
        return _STOPPED_SECONDS if self.context.stop.event.is_set() else SECONDS

    def _asking(self, choices: Sequence[Choice]) -> bool:
        return any(choice_of(row, choices) for row in self.rows())

    def _deliver(self, occasion: Occasion, seconds: float) -> bool:
        context, rows = self._bounded, self.rows()
        names = [name for row in rows for name in row.secrets]
        delivery = Delivery(
            context=context,
            rows=rows,
            store=NoticeStore(context.effects, context.clock, self.state_uri, self.identity),
            secrets=VaultSecrets(self.root, self.identity.environment, names),
            seconds=seconds,
        )
        return delivery.deliver(occasion)

    def _report(self, error: KilnError | None) -> None:
        if error is not None:
            report(f"nobody was notified: {error.message}")


def report(text: str) -> None:
    """Show a line about a message."""
    terminal.err(f"kiln: {text}")


def rows_of(question: Question) -> Sequence[Notification]:
    """Return the rows of a pipeline, for a command that has not read them with its settings."""
    whose = (question.root, question.environment, question.pipeline)
    if not notification_rows.may_be_set(*whose, question.extra):
        return ()
    return resolve.part(question, Notifying).kiln_notifications


def refused(
    question: Question,
    names: Sequence[str],
    context_of: Callable[[Notifying], Context],
    error: KilnError,
) -> None:
    """Send that a `kiln run` (of these actions) was refused before its run began, unless a person sees it.

    Nothing is sent while the settings cannot be read: they say to whom.
    """
    if error.exit_code is ExitCode.SKIP or sys.stderr.isatty():
        return
    account: Notifying | None = None

    def read() -> None:
        nonlocal account
        if notification_rows.may_be_set(question.root, question.environment, question.pipeline):
            account = resolve.part(question, Notifying)

    if caught(read) is not None or account is None or not account.kiln_notifications:
        return
    rows = account.kiln_notifications
    identity = Identity(
        environment=question.environment, pipeline=question.pipeline, run_id=question.run_id or NO_RUN
    )
    result = Result(environment=identity.environment, pipeline=identity.pipeline, run_id=identity.run_id)
    result.take_over(error, None)
    result.verdict = "failed"
    notifier = Notifier(
        root=question.root,
        context=context_of(account),
        state_uri=account.kiln_state_uri,
        identity=identity,
        rows=lambda: rows,
    )
    notifier.ended(result, names, secrets.token_hex(8), is_whole=not names)


# The record of commands that named no run, and found none.
NO_RUN = "none"


def kept(context: Context, state_uri: str, run: Identity, cluster: Cluster, until: str) -> None:
    """Send that a task of Airflow's has kept a cluster; a person who holds one by hand knows it."""
    who = caller.of(os.environ)
    if not who.task:
        return
    facts = Facts(
        identity=run,
        what="the run",
        task=who.described,
        cluster_id=cluster.id,
        cluster_state=cluster.state,
        held_until=until,
        commands=(*occasions.reach(run, ("ssh", "tunnel", "status")), occasions.end(run)),
        links=tuple(filter(None, (who.log_url,))),
    )
    question = Question(root=paths.checkout(), environment=run.environment, pipeline=run.pipeline)
    notifier = Notifier(
        root=question.root,
        context=context,
        state_uri=state_uri,
        identity=run,
        rows=lambda: rows_of(question),
    )
    notifier.send(Occasion((Choice(events.KEPT, f"kept/{cluster.id}"),), facts))
