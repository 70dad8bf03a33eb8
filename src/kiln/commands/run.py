"""`kiln run`: settings, preflight, then the run itself."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from kiln import paths, printable, run_ids
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.commands import shared
from kiln.diagnosis import diagnose
from kiln.display import failure, progress, summary, terminal
from kiln.emr import clusters, finding
from kiln.identity import Identity, of_name
from kiln.ledger.store import Ledger
from kiln.playbooks.runner import AnsibleRunner
from kiln.runs import execution, preflight, selection
from kiln.runs.result import Result
from kiln.settings import files, names, resolve
from kiln.settings.model import Account, Driver, Ending
from kiln.signals import Signals
from kiln.stop import Stop

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kiln.aws.effects import Cluster, Step
    from kiln.reporter import Reporter

# A name that no run has: settings are checked before AWS is asked which run is meant.
_UNKNOWN_RUN = "unknown"


def main(arguments: argparse.Namespace) -> int:
    """Run a pipeline or actions of it."""
    clock, stop, root = SystemClock(), Stop(), paths.checkout()
    listening = Signals(stop, lambda text: terminal.err(f"kiln: {text}"))
    expected = _Expected(root, f"{arguments.env}/{arguments.pipeline}")
    question, account, planned, limits = _prepared(arguments, root)
    context = Context(aws=shared.aws_of(account), clock=clock, stop=stop)
    if isinstance(account, Driver):
        _preflight(context, question, account, planned)
    stop.check()
    if question.run_id is None:
        run_id = _only_live_run(context, question, planned)
        if run_id is None:
            return _nothing_to_end(arguments)
        question = msgspec.structs.replace(question, run_id=run_id)
        if isinstance(account, Driver):
            account, _ = resolve.run_settings(question)
            planned = selection.make(selection.actions(arguments.actions), account.steps)
    rows = [phase.name for phase in planned.phases] + [selection.TERMINATE] * planned.ends
    reporter = progress.reporter(clock, expected.seconds, rows)
    listening.report = reporter.line
    try:
        result = _execution(context, question, account, planned, limits, reporter=reporter).run()
    finally:
        reporter.close()
    expected.learn(result)
    return _finish(arguments, root, result)


def _prepared(
    arguments: argparse.Namespace, root: Path
) -> tuple[resolve.Question, Account, selection.Plan, execution.Limits]:
    """Return everything that can be known, and refused, without AWS."""
    wanted = selection.actions(arguments.actions)
    given = run_ids.given(arguments.run_id, os.environ)
    if given is None and (not wanted or "launch" in wanted):
        given = run_ids.made(SystemClock().now())
    question = resolve.Question(
        root=root,
        environment=arguments.env,
        pipeline=arguments.pipeline,
        extra=tuple(_absolute(extra) for extra in arguments.extra),
        run_id=given,
        date=names.check_date(arguments.date) if arguments.date is not None else None,
    )
    if wanted == [selection.TERMINATE]:
        ending = resolve.part(question, Ending)
        return question, ending, selection.make(wanted, ()), _limits(ending)
    asked = question if given else msgspec.structs.replace(question, run_id=_UNKNOWN_RUN)
    driver, _ = resolve.run_settings(asked)
    return question, driver, selection.make(wanted, driver.steps), _limits(driver)


def _limits(settings: Ending) -> execution.Limits:
    limits = execution.Limits(
        terminate_seconds=settings.kiln_terminate_timeout_seconds,
        interval_seconds=settings.kiln_poll_interval_seconds,
    )
    if not isinstance(settings, Driver):
        return limits
    return msgspec.structs.replace(
        limits,
        run_seconds=settings.kiln_run_timeout_seconds,
        step_seconds=settings.kiln_step_timeout_seconds,
        keep_failed=settings.kiln_after_failure == "keep",
    )


def _absolute(extra: str) -> str:
    """Ansible reads @file from the checkout, people mean it from where they are."""
    return f"@{os.path.abspath(extra[1:])}" if extra.startswith("@") else extra  # noqa: PTH100  # keeps links


def _preflight(context: Context, question: resolve.Question, driver: Driver, planned: selection.Plan) -> None:
    """Check at once all that a run needs, and say the first thing that is missing."""
    kinds = {phase.name for phase in planned.phases if phase.step is None}
    checks: list[Callable[[], object]] = []
    if kinds & {"provision", "deploy"}:
        checks.append(lambda: preflight.check_cache(driver))
        checks.append(lambda: preflight.check_private_key(question.root, driver))
    if kinds & {"launch", "deploy"}:
        checks.append(lambda: preflight.check_branch(driver))
    if "deploy" in kinds:
        sources = files.chain(question.root, question.environment, question.pipeline, question.extra)
        checks.append(lambda: preflight.check_vault(question.root, question.environment, sources))
    checks.append(lambda: preflight.check_account(context.effects))
    checks.append(lambda: preflight.check_state(context.effects, driver, question.environment))
    with ThreadPoolExecutor(max_workers=len(checks)) as pool:
        for outcome in [pool.submit(check) for check in checks]:
            outcome.result()


def _only_live_run(context: Context, question: resolve.Question, planned: selection.Plan) -> str | None:
    """Return the id of the pipeline's only live run; None when there is nothing to terminate."""
    whose = (question.environment, question.pipeline)
    # By name alone for an end: a cluster whose tags were changed has to be ended, or said, too.
    found = [finding.only(context, *whose)] if planned.phases else clusters.listed(context, *whose)
    if len(found) > 1:
        raise finding.not_one(context, found, *whose, None)
    of = of_name(found[0].name) if found else None
    return of.run_id if of else None


def _nothing_to_end(arguments: argparse.Namespace) -> int:
    message = f"pipeline {arguments.pipeline} has no live cluster in {arguments.env}: nothing to do"
    terminal.err(f"kiln: {message}")
    if failure.wants_json(arguments):
        nothing = Result(environment=arguments.env, pipeline=arguments.pipeline, run_id="", message=message)
        shared.print_json(nothing)
    return 0


def _execution(
    context: Context,
    question: resolve.Question,
    account: Account,
    planned: selection.Plan,
    limits: execution.Limits,
    *,
    reporter: Reporter,
) -> execution.Execution:
    identity = Identity(
        environment=question.environment,
        pipeline=question.pipeline,
        run_id=question.run_id or "",
        owner=account.kiln_owner if isinstance(account, Driver) else "",
    )
    context = replace(context, report=reporter.line)
    folder = paths.run_folder if planned.phases else paths.run_folder_if_possible
    if planned.whole or planned.launches:
        reporter.line(f"run {identity.run_id} of {identity.pipeline} in {identity.environment}")
    return execution.Execution(
        context=context,
        identity=identity,
        limits=limits,
        plan=planned,
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
        explain=_explainer(account),
        data_date=question.date,
    )


def _explainer(account: Account) -> Callable[[Context, Cluster, Step], list[str]]:
    def explain(context: Context, cluster: Cluster, step: Step) -> list[str]:
        if not isinstance(account, Driver):
            return []
        return diagnose.screen(context.effects, cluster, step, shared.ssh_of(account, cluster.id))

    return explain


class _Expected:
    """How long the phases of a pipeline took last time on this machine: for the bars only."""

    def __init__(self, root: Path, key: str) -> None:
        self._file = root / ".kiln" / "expected.json"
        self._key = key
        self._all = self._read()
        self.seconds: Mapping[str, float] = self._all.get(key, {})

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._file.read_text()))
        except (OSError, ValueError):
            return {}

    def learn(self, result: Result) -> None:
        """Remember the phases that went well."""
        took = {phase.name: phase.seconds for phase in result.phases if phase.status == "ok"}
        if took:
            with suppress(OSError):
                self._file.write_text(
                    json.dumps(self._read() | {self._key: dict(self.seconds) | took}, indent=1)
                )


def _finish(arguments: argparse.Namespace, root: Path, result: Result) -> int:
    result.next = summary.next_commands(result)
    for line in summary.lines(result):
        terminal.err(line)
    # The run is over and its ledger written: a full disk here changes nothing.
    with suppress(OSError):
        (paths.run_folder(root, result.run_id) / "result.json").write_text(printable.json_of(result) + "\n")
    if failure.wants_json(arguments):
        shared.print_json(result)
    return result.exit_code
