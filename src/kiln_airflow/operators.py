"""A task that calls scripts/kiln: BashOperator with a constant command, and Kiln's exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kiln_airflow.versions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
    BashOperator,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# docs/exit_codes.md: bad settings or arguments, and what a run needs is missing. Another try cannot help.
_NO_RETRY = frozenset({2, 10})
# Airflow's own configuration may hold the passwords of its database and its keys.
_AIRFLOWS_OWN = "AIRFLOW__"


class KilnOperator(BashOperator):
    """Calls scripts/kiln. The last line of its output, one of JSON, becomes the XCom.

    Exit codes 2 and 10 fail without another try, 99 skips, others fail.
    """

    # The command is no template: only values are.
    template_fields: Sequence[str] = ("env",)
    template_ext: Sequence[str] = ()
    ui_color = "#e8f1fa"

    def __init__(self, *, bash_command: str, env: dict[str, str], **kwargs: Any) -> None:
        super().__init__(bash_command=bash_command, env=env, append_env=True, **kwargs)

    def get_env(self, context: Any) -> dict[str, str]:
        """Return the worker's environment without Airflow's configuration, with the task's values."""
        found = super().get_env(context)
        return {name: value for name, value in found.items() if not name.startswith(_AIRFLOWS_OWN)}

    def execute(self, context: Any) -> Any:
        """Run the command; return its result. Raises what Airflow's states are made of."""
        # A folder of this task's own, as BashOperator does: the current one is nobody's.
        done = self.subprocess_hook.run_command(
            command=["bash", "-c", self.bash_command], env=self.get_env(context), cwd=self.cwd
        )
        result = _result(done.output)
        if done.exit_code == 0:
            return result
        raise _ERRORS.get(done.exit_code, AirflowException)(_message(done.exit_code, result))


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
