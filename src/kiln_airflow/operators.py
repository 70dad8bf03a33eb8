"""A task that calls scripts/kiln: BashOperator with a constant command, and Kiln's exit codes."""

from __future__ import annotations

import json
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kiln_airflow import commands, links
from kiln_airflow.replaced import Hold
from kiln_airflow.triggers import StepTrigger
from kiln_airflow.versions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    BashOperator,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# docs/exit_codes.md: bad settings or arguments, and what a run needs is missing. Another try cannot help.
_NO_RETRY = frozenset({2, 10})


class KilnOperator(BashOperator):
    """Calls scripts/kiln. The last line of its output, one of JSON, becomes the XCom.

    Exit codes 2 and 10 fail without another try, 99 skips, others fail.
    """

    # The command is no template: only values are.
    template_fields: Sequence[str] = ("env",)
    template_ext: Sequence[str] = ()
    ui_color = "#e8f1fa"
    operator_extra_links = links.LINKS

    env: dict[str, str]
    _hold: Hold | None = None

    def __init__(self, *, bash_command: str, env: dict[str, str], **kwargs: Any) -> None:
        super().__init__(bash_command=bash_command, env=env, append_env=True, **kwargs)

    def get_env(self, context: Any) -> dict[str, str]:
        """Return the worker's environment without Airflow's configuration, with the task's values."""
        return commands.without_airflows_own(super().get_env(context))

    def execute(self, context: Any) -> Any:
        """Run the command; return its result. Raises what Airflow's states are made of."""
        return self._call(context)

    def on_kill(self) -> None:
        """End the command, unless Airflow runs the task again: the next try waits for it, and attaches."""
        if self._is_run_again():
            self.log.info("Airflow runs this task again: the command goes on, and the next try waits for it")
        else:
            super().on_kill()

    def _is_run_again(self) -> bool:
        command = self.subprocess_hook.sub_process
        # Also called for a time-out, which is the task's own end. Without a command nothing is lost.
        is_timeout = isinstance(sys.exception(), AirflowTaskTimeout)
        if is_timeout or self._hold is None or command is None or command.poll() is not None:
            return False
        return self._hold.is_lost()

    def _call(self, context: Any, more: Mapping[str, str] = MappingProxyType({})) -> Any:
        self._hold = Hold(context["ti"])
        # A folder of this task's own, as BashOperator does: the current one is nobody's.
        done = self.subprocess_hook.run_command(
            command=["bash", "-c", self.bash_command], env=self.get_env(context) | dict(more), cwd=self.cwd
        )
        result = _result(done.output)
        if isinstance(result, dict):
            # For the links: a task that fails has no return value.
            context["ti"].xcom_push(key=links.RESULT_KEY, value=result)
        if done.exit_code == 0:
            return result
        raise _ERRORS.get(done.exit_code, AirflowException)(_message(done.exit_code, result))


class DeferredStepOperator(KilnOperator):
    """Adds a step and waits for it in the triggerer, which holds no slot of a worker.

    The result comes from a second command, which judges the step when that has ended.
    """

    def __init__(self, *, poll_interval_seconds: int, wait_seconds: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.poll_interval_seconds = poll_interval_seconds
        self.wait_seconds = wait_seconds

    def execute(self, context: Any) -> Any:
        """Add the step, and wait for it unless it has ended already."""
        waits = self.env
        result = self._call(context, {"KILN_NO_WAIT": "yes"})
        states = [one["state"] for one in result["steps"]] if isinstance(result, dict) else []
        if not _ACTIVE.intersection(states):
            return self.resume(context, None)
        step = [waits["KILN_PIPELINE"], context["run_id"], waits["KILN_ACTIONS"]]
        trigger = StepTrigger(
            script=waits["KILN_SCRIPT"],
            environment=waits["KILN_ENV"],
            step=step,
            interval=self.poll_interval_seconds,
            seconds=self.wait_seconds,
        )
        return self.defer(trigger=trigger, method_name="resume")

    def resume(self, context: Any, event: Any) -> Any:  # noqa: ARG002  # the trigger decides nothing
        """Judge the step that was added; one that is still active is waited for here."""
        # What this task has added itself does not count as complete before.
        return self._call(context, {"KILN_NO_ADD": "yes", "KILN_IF_COMPLETE": "succeed"})


# Of EMR's steps: docs/aws_facts.md 1.2.
_ACTIVE = frozenset({"PENDING", "RUNNING", "CANCEL_PENDING"})
_ERRORS: dict[int, Any] = {99: AirflowSkipException} | dict.fromkeys(_NO_RETRY, AirflowFailException)


def _result(line: str) -> Any:
    """Return the last line of the output as data, or as it is where it is none."""
    try:
        return json.loads(line)
    except ValueError:
        return line


def _message(code: int, result: Any) -> str:
    told = result.get("message") if isinstance(result, dict) else result
    fix = result.get("fix") if isinstance(result, dict) else ""
    return f"kiln ended with exit code {code}: {told}" + (f"; fix: {fix}" if fix else "")


class PreviousRunSensor(BaseSensorOperator):
    """Waits for the DAG's previous run: until it has `ended`, or until it has `succeeded`.

    It asks Airflow for the run before this one by logical date. A run that has none before it, and in
    Airflow 3 one that was triggered without a logical date, waits for nobody.
    """

    def __init__(self, *, until: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.until = until

    def poke(self, context: Any) -> bool:
        """Return whether there is nothing to wait for."""
        previous = context["ti"].get_previous_dagrun()
        if previous is None:
            return True
        # The state is text in Airflow 3, an enum that equals its text in 2.11.
        state = str(getattr(previous.state, "value", previous.state))
        self.log.info("Run %s is %s", previous.run_id, state)
        return state == "success" or (state == "failed" and self.until == "ended")
