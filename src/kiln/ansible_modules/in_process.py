"""Modules that work on the control host, done by an action in Ansible's own process.

A module is a file that Ansible packs and starts with a Python of its own, which imports boto3 again: 1.2 s a
task. What these modules do to AWS is done here in a tenth of that.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from kiln.ansible_modules import answer
from kiln.ansible_modules.report import failure
from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context


class Answered(NamedTuple):
    """What stands in the place of AnsibleModule: the checked options, and the answer that they come to."""

    params: Options
    check_mode: bool
    results: list[dict[str, Any]]

    def exit_json(self, **result: Any) -> None:
        """Take the answer."""
        self.results.append(result)

    def fail_json(self, **result: Any) -> None:
        """Take the failure."""
        self.results.append(result)


class InProcess(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """An action that does the work of a module of the same name."""

    TRANSFERS_FILES = False
    spec: Options
    work: Callable[[Context, Any], Options]
    required_one_of: Sequence[Sequence[str]] = ()
    required_together: Sequence[Sequence[str]] = ()

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's answer."""
        result = dict(super().run(tmp, task_vars))
        validator = ArgumentSpecValidator(
            self.spec, required_one_of=self.required_one_of, required_together=self.required_together
        )
        # Ansible's texts and lists are of types of its own.
        checked = validator.validate(json.loads(json.dumps(self._task.args)))
        module = Answered(checked.validated_parameters, bool(self._task.check_mode), [])
        if checked.error_messages:
            error = UsageError(
                f"{self._task.action}: {'; '.join(checked.error_messages)}", fix="correct the task"
            )
            return result | failure(error)
        answer.answer(module, type(self).work)
        return result | module.results[0]
