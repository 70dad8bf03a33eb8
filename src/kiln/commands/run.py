"""`kiln run`: settings, preflight, then the run itself. Ending a cluster only is in run_end.py."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import msgspec

from kiln import paths, phases, run_ids
from kiln.clock import SystemClock
from kiln.commands import bake_image, run_end, shared, shipping
from kiln.commands.job import Job
from kiln.commands.run_session import Session
from kiln.diagnosis import diagnose
from kiln.display import failure, terminal
from kiln.emr import finding
from kiln.emr.states import Verdict
from kiln.errors import UsageError
from kiln.identity import Identity, of_name
from kiln.ledger.schema import StepIdentity
from kiln.ledger.store import Ledger
from kiln.runs import (
    absent_parts,
    attempts,
    limits,
    model_repo_checks,
    preflight,
    preparing,
    selection,
    step_parts,
)
from kiln.runs.result import Result
from kiln.settings import files, names, resolve
from kiln.settings.ansible_values import Question

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kiln.aws.context import Context
    from kiln.runs.selection import Selection
    from kiln.settings.model import ClusterShape, Driver, StepSettings

    Select = Callable[[Sequence[StepSettings]], Selection]

# A name that no run has: settings are checked before AWS is asked which run is meant.
_UNKNOWN_RUN = "unknown"


def main(arguments: argparse.Namespace) -> int:
    """Run a pipeline or actions of it."""
    session = Session(arguments)
    with session.refusals_sent():
        return _run(session)


def _run(session: Session) -> int:
    arguments = session.arguments
    wanted = selection.actions(arguments.actions)
    part = step_parts.asked(arguments)
    asked = question(arguments, session.root, wanted)
    session.run_id = asked.run_id
    if wanted == [phases.TERMINATE.name]:
        return run_end.end(session, asked)
    if wanted == [phases.BAKE_IMAGE.name]:
        return bake_image.bake(session, asked)
    if wanted == [phases.PREFLIGHT]:
        return _preflight(session, asked)
    return execute(session, asked, lambda steps: selection.make(wanted, steps, part))


def question(arguments: argparse.Namespace, root: Path, wanted: Sequence[str]) -> Question:
    """Return what the command line asks about. A command that launches makes a run id when it has none."""
    given = run_ids.given(arguments.run_id, os.environ)
    if given is None and (selection.launches(wanted) or wanted == [phases.BAKE_IMAGE.name]):
        given = run_ids.made(SystemClock().now())
    return Question(
        root=root,
        environment=arguments.env,
        pipeline=arguments.pipeline,
        extra=(
            *(shared.absolute(extra) for extra in arguments.extra),
            *_branch(arguments.branch),
            *_hold(arguments, wanted),
        ),
        run_id=given,
        date=names.check_date(arguments.date) if arguments.date is not None else None,
    )


def _branch(name: str | None) -> tuple[str, ...]:
    """Return --branch as the setting that it stands for. Raises UsageError for what could be a template."""
    return () if name is None else (json.dumps({"model_repo_branch": names.check_branch(name)}),)


def _hold(arguments: argparse.Namespace, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return --hold and --hold-on-failure as the settings that they stand for."""
    seconds = arguments.hold or arguments.hold_on_failure
    if seconds is None:
        return ()
    option = "--hold" if arguments.hold else "--hold-on-failure"
    if wanted:
        raise UsageError(
            f"{option} is for whole runs: single actions keep their cluster",
            fix=paths.command("hold", arguments.pipeline, "--env", arguments.env, "--for", "30m"),
        )
    after_success = ("kiln_after_success=keep",) if arguments.hold else ()
    return ("kiln_after_failure=keep", *after_success, f"kiln_hold_seconds={seconds}")


def _preflight(session: Session, question: Question) -> int:
    """Make the checks of a whole run; nothing is locked, written or launched."""
    context, driver, _ = _checked(session, question, lambda steps: selection.make([], steps))
    # Airflow links the task to it; the launch writes it.
    ledger = Ledger(context.effects, context.clock, driver.kiln_state_uri, _identity(question))
    result = Result(
        environment=question.environment,
        pipeline=question.pipeline,
        run_id=question.run_id or "",
        verdict=Verdict.NO_STEP.value,
        ledger=ledger.uri if question.run_id else "",
        message=f"preflight: pipeline {question.pipeline} can run in {question.environment}",
    )
    context.report(result.message)
    if failure.wants_json(session.arguments):
        terminal.out_json(result)
    return result.exit_code


def _checked(
    session: Session, question: Question, select: Select
) -> tuple[Context, Driver, tuple[ClusterShape, Selection]]:
    """Return what a run works with, after all that can be known, and refused, before it has any effect."""
    driver, shape, selected = _settings(question, select)
    context = session.context(driver)
    preflight.check(preflight.Subject.of(question, (driver, shape), context), selected)
    session.stop.check()
    return context, driver, (shape, selected)


def execute(session: Session, question: Question, select: Select, *, resumes: bool = False) -> int:
    """Do everything that can be known, and refused, without AWS; then the rest."""
    context, driver, (shape, selected) = _checked(session, question, select)
    meant = msgspec.structs.replace(question, run_id=question.run_id or _only_live_run(context, question))
    meant = msgspec.structs.replace(meant, date=question.date or _date_of(context, driver, meant))
    if (meant.run_id, meant.date) != (question.run_id, driver.ds):
        driver, shape, selected = _settings(meant, select)
    selected = _limited(session.arguments, selected)
    skips_complete = _skips_complete(session.arguments, selected)
    if session.arguments.if_no_cluster == phases.LAUNCH.name and selected.only_steps and selected.adds:
        selected = _with_cluster(context, (driver, shape), meant, selected)
    job = Job(
        question=meant,
        account=driver,
        owner=driver.kiln_owner,
        selected=selected,
        limits=limits.of_run(driver),
        attempts=attempts.of_settings(driver, shape),
        shape=shape,
        existing=driver.emr_cluster_existing,
        expected=lambda: _expected(question.root, driver),
        parallel_runs=driver.kiln_parallel_runs,
        if_running=session.arguments.if_running or driver.kiln_if_running,
        waits_for_driver=session.arguments.wait_for_driver,
        resumes=resumes,
        skips_complete=skips_complete,
        explain=lambda context, cluster, step: diagnose.cause_of(
            context.effects, cluster, step, shared.ssh_of(context, driver, cluster.id)
        ),
        kill=shared.killer(lambda: driver),
        ship=shipping.of(driver, _identity(meant), context.report),
    )
    return session.execute(context, job)


def _limited(arguments: argparse.Namespace, selected: Selection) -> Selection:
    """Return the selection with --no-wait and --no-add. Raises UsageError for other actions than steps."""
    if not (arguments.no_wait or arguments.no_add):
        return selected
    if not selected.only_steps or (arguments.no_wait and arguments.no_add):
        raise UsageError("--no-wait or --no-add is for steps alone", fix="name steps only, and one of them")
    if arguments.no_add:
        return msgspec.structs.replace(selected, adds=False)
    return msgspec.structs.replace(selected, leaves=frozenset(step.name for step in selected.steps))


def _skips_complete(arguments: argparse.Namespace, selected: Selection) -> bool:
    """Return whether --if-complete skip was given. Raises UsageError where it says nothing."""
    if arguments.if_complete != "skip":
        return False
    if not (selected.whole or selected.only_steps) or not selected.adds:
        raise UsageError(
            "--if-complete skip is for a whole run, or for steps alone, and not for --no-add",
            fix="leave it out",
        )
    return True


def _with_cluster(
    context: Context,
    settings: tuple[Driver, ClusterShape],
    question: Question,
    selected: Selection,
) -> Selection:
    """Return the selection with what makes its cluster, when that is not there or not ready."""
    identity, (driver, shape) = _identity(question), settings
    if driver.emr_cluster_existing.is_named:
        # The first step attaches to it; results of earlier steps were not lost with a cluster.
        return selected
    ledger = Ledger(context.effects, context.clock, driver.kiln_state_uri, identity)
    run = ledger.read_if_possible()
    if not shape.keep_alive and preparing.was_launched(selected, run):
        # Its cluster may have ended by itself, with all of its steps.
        return selected
    usable = finding.usable(context, identity, ledger)
    whole = preparing.completed(
        selected,
        driver.steps,
        run,
        usable[-1].id if usable else None,
        absent_parts.before_steps(driver, shape, _sources(question)),
    )
    if whole is not selected:
        context.report(f"no cluster of this run is ready: {', '.join(whole.names)}")
        preflight.check(preflight.Subject.of(question, settings, context), whole)
    return whole


def _settings(question: Question, select: Select) -> tuple[Driver, ClusterShape, Selection]:
    if question.run_id is None:
        question = msgspec.structs.replace(question, run_id=_UNKNOWN_RUN)
    driver, shape = resolve.run_settings(question)
    return driver, shape, absent_parts.without(select(driver.steps), driver, shape, _sources(question))


def _sources(question: Question) -> list[files.Source]:
    return files.chain(question.root, question.environment, question.pipeline, question.extra)


def _only_live_run(context: Context, question: Question) -> str | None:
    """Return the id of the pipeline's only live run. Raises ClusterNotFoundError for none or several."""
    of = of_name(finding.only(context, question.environment, question.pipeline).name)
    return of.run_id if of else None


def _identity(question: Question) -> Identity:
    return Identity(
        environment=question.environment, pipeline=question.pipeline, run_id=question.run_id or ""
    )


def _date_of(context: Context, driver: Driver, question: Question) -> str:
    """Return the date that the run's earlier actions had: a retry after midnight is about the same data."""
    ledger = Ledger(context.effects, context.clock, driver.kiln_state_uri, _identity(question))
    run = ledger.read_if_possible()
    return (run.data_date if run else None) or driver.ds


def _expected(root: Path, driver: Driver) -> StepIdentity:
    """Return what a launch would deploy now."""
    commit = model_repo_checks.check_version(root, driver) or ""
    return StepIdentity(commit=commit, environment=driver.emr_node_environment_hash)
