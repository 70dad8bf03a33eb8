"""`kiln run PIPELINE bake_image`: an image for the launches that come after it. No run, no cluster, no lock.

Two bakes of one image at once are settled by what EC2 shows (kiln.images.publishing). Whatever ends this
command, the instances of its bake are ended with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kiln import paths, phases
from kiln.commands import shared
from kiln.display import progress
from kiln.emr.states import Verdict
from kiln.emr.waiting import Waiting
from kiln.errors import KilnError, NotTerminatedError, caught
from kiln.images import leftovers
from kiln.playbooks.runner import AnsibleRunner
from kiln.playbooks.supervision import Supervision
from kiln.runs import preflight
from kiln.runs.phase_log import PhaseLog
from kiln.runs.result import Result
from kiln.runs.selection import SelectedPhase, Selection
from kiln.settings import resolve

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.aws.context import Context
    from kiln.commands.run_session import Session
    from kiln.reporter import Reporter
    from kiln.settings.ansible_values import Question
    from kiln.settings.model import Driver

_SELECTED = Selection(phases=(SelectedPhase(phases.BAKE_IMAGE),), whole=False, ends=False)


def bake(session: Session, question: Question) -> int:
    """Bake an image unless there is one; return the exit code."""
    settings = resolve.run_settings(question)
    driver, _ = settings
    context = session.context(driver)
    preflight.check(preflight.Subject.of(question, settings, context), _SELECTED)
    session.stop.check()
    run_id = question.run_id or ""
    result = Result(environment=question.environment, pipeline=question.pipeline, run_id=run_id)
    reporter = progress.reporter(context.clock, {}, _SELECTED.names)
    began = context.clock.monotonic()
    try:
        error = caught(lambda: _bake(context, driver, question, result, reporter))
        ending = caught(lambda: _end_leftovers(context, driver, question))
    finally:
        reporter.close()
    failure = ending or error
    result.verdict = Verdict.FAILED.value if failure else Verdict.SUCCEEDED.value
    if failure is not None:
        result.take_over(failure, error)
    result.image = _image_in(paths.run_folder(session.root, run_id) / "image.json")
    result.seconds = round(context.clock.monotonic() - began, 1)
    session.show(result)
    return result.exit_code


def _bake(context: Context, driver: Driver, question: Question, result: Result, reporter: Reporter) -> None:
    runner = AnsibleRunner(
        root=question.root,
        inventory=question.root / "inventory" / question.environment,
        folder=paths.run_folder(question.root, result.run_id),
        environment=shared.environment_of(driver),
        vault_password_file=paths.vault_password_file(question.root, question.environment),
    )
    seconds = driver.kiln_run_timeout_seconds
    supervision = Supervision(reporter=reporter, stop=context.stop, seconds=seconds, tick=reporter.tick)
    log = PhaseLog(context.clock, reporter, result)
    log.timed(
        phases.BAKE_IMAGE.name, lambda: runner.run(phases.BAKE_IMAGE, question.arguments(), supervision)
    )


def _end_leftovers(context: Context, driver: Driver, question: Question) -> None:
    """End what Packer or the test had no time to end. Raises NotTerminatedError."""
    limits = Waiting(
        timeout_seconds=driver.kiln_terminate_timeout_seconds,
        interval_seconds=driver.kiln_poll_interval_seconds,
    )
    own = context.unstoppable().within(driver.kiln_terminate_timeout_seconds)
    try:
        leftovers.end(own, question.environment, question.run_id or "", limits)
    except NotTerminatedError:
        raise
    except KilnError as error:
        raise NotTerminatedError(
            f"whether the bake has left instances is not known: {error.message}",
            fix=paths.command("reap", "--env", question.environment),
        ) from error


def _image_in(file: Path) -> dict[str, str]:
    """Return what the role node_image has written about the image; nothing when it came to none."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if whole else {}
