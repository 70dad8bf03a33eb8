"""Which events an outcome is, and what the message says: of a command, of a task, of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import paths, phases
from kiln.emr.states import CLUSTER_ENDED, Verdict
from kiln.exit_codes import NAMES, ExitCode
from kiln.identity import Identity
from kiln.notifications import events
from kiln.notifications.occasion import Choice, Facts, Occasion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.notifications.caller import Caller
    from kiln.notifications.usual import Usual
    from kiln.runs.result import Result

# Nothing to tell: somebody pressed Ctrl-C, or the run was skipped because another one is at work.
_SILENT = frozenset({ExitCode.INTERRUPTED, ExitCode.SKIP})


def choices_of(result: Result, caller: Caller, command: str) -> tuple[Choice, ...]:
    """Return as which events the end of a command counts; empty for what nobody is told.

    `command` distinguishes this command from all others of its run.
    """
    code, key = result.exit_code, caller.key(command)
    failed = Choice(events.FAILED, f"failed/{key}")
    if code == ExitCode.OK:
        good = result.verdict == Verdict.SUCCEEDED.value
        return (Choice(events.SUCCEEDED, f"succeeded/{key}"),) if good else ()
    if code == ExitCode.NOT_TERMINATED:
        return Choice(events.NOT_TERMINATED, failed.key), failed
    # The run goes on in another command, which answers for it.
    if code in _SILENT or (code == ExitCode.LOCKED and result.verdict == Verdict.RUNNING.value):
        return ()
    if caller.tries_again(code):
        return (Choice(events.RETRY, f"retry/{key}"),)
    return (Choice(events.KEPT, failed.key), failed) if result.held_until else (failed,)


def of_result(
    result: Result, choices: tuple[Choice, ...], caller: Caller, names: Sequence[str], usual: Usual
) -> Occasion:
    """Return what is said about the end of a command that did these phases; none of them: the whole run."""
    cause = result.cause or {}
    lines = tuple(dict.fromkeys(filter(None, (cause.get("headline", ""), result.message))))
    facts = Facts(
        identity=_identity(result.environment, result.pipeline, result.run_id),
        what=what(caller, names),
        task=caller.described,
        cause=lines,
        phase=result.phase or "",
        exit_code=code(result.exit_code),
        failure_class=result.failure_class,
        fix=result.fix or cause.get("advice", ""),
        details=tuple(result.details),
        cluster_id=result.cluster_id or "",
        cluster_state=result.cluster_state or "",
        held_until=result.held_until,
        seconds=result.seconds,
        usual_seconds=usual.seconds,
        usual_runs=usual.runs,
        commands=_commands(result, names),
        links=tuple(filter(None, (caller.log_url, *result.logs, result.ledger))),
    )
    return Occasion(choices, facts)


def what(caller: Caller, names: Sequence[str]) -> str:
    """Return what a command worked on, as the subject of a sentence."""
    if caller.task:
        return f"task {caller.task}"
    return ", ".join(names) if names else "the run"


def reach(identity: Identity, names: Sequence[str] = ("ssh", "tunnel")) -> tuple[str, ...]:
    """Return the commands that reach a live cluster."""
    where = ("--env", identity.environment, "--run-id", identity.run_id)
    return tuple(paths.command(name, identity.pipeline, *where) for name in names)


def end(identity: Identity) -> str:
    """Return the command that ends the cluster of a run."""
    where = ("--env", identity.environment, "--run-id", identity.run_id)
    return paths.command("run", identity.pipeline, phases.TERMINATE.name, *where)


def again(identity: Identity, names: Sequence[str]) -> str:
    """Return the command that goes on with the run, or does these phases of it again."""
    where = ("--env", identity.environment, "--run-id", identity.run_id)
    if not names:
        return paths.command("resume", identity.pipeline, *where)
    return paths.command("run", identity.pipeline, ",".join(names), *where)


def _anew(identity: Identity, names: Sequence[str]) -> str:
    actions = [",".join(names)] if names else []
    return paths.command("run", identity.pipeline, *actions, "--env", identity.environment)


def _commands(result: Result, names: Sequence[str]) -> tuple[str, ...]:
    found = list(result.next)
    if result.exit_code not in {ExitCode.OK, ExitCode.NOT_TERMINATED}:
        identity = _identity(result.environment, result.pipeline, result.run_id)
        live = result.cluster_state is not None and result.cluster_state not in CLUSTER_ENDED
        # A command that was refused before its run began has left nothing to go on with.
        last = again(identity, names) if result.ledger else _anew(identity, names)
        found += [*(reach(identity) if live else ()), last]
    return tuple(dict.fromkeys(found))


def _identity(environment: str, pipeline: str, run_id: str) -> Identity:
    return Identity(environment=environment, pipeline=pipeline, run_id=run_id)


def code(number: int) -> str:
    """Return an exit code with its name; nothing for success."""
    known = {int(one): name for one, name in NAMES.items()}
    return "" if number == ExitCode.OK else f"{number} ({known.get(number, 'unknown')})"


def of_slow(identity: Identity, caller: Caller, names: Sequence[str], seconds: float, usual: Usual) -> Facts:
    """Return what is said about a command that takes longer than usual."""
    where = ("--env", identity.environment, "--run-id", identity.run_id)
    return Facts(
        identity=identity,
        what=what(caller, names),
        task=caller.described,
        seconds=seconds,
        usual_seconds=usual.seconds,
        usual_runs=usual.runs,
        commands=(paths.command("status", identity.pipeline, *where), end(identity)),
        links=tuple(filter(None, (caller.log_url,))),
    )
