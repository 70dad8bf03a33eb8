"""Values of variables as Ansible resolves them: the question, the playbook that is asked, and its answer."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kiln import paths
from kiln.errors import UsageError
from kiln.settings import files, names

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = 60
# kiln's own callback imports boto3 for the tasks that ask AWS; here there are none.
_WITHOUT_AWS = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: whose variables, with which -e, for which run and date."""

    root: Path
    environment: str
    pipeline: str
    extra: tuple[str, ...] = ()
    run_id: str | None = None
    date: str | None = None

    def arguments(self) -> list[str]:
        """Return the -e arguments that every playbook of this run gets; kiln's own win.

        Raises UsageError for a pipeline, run id or date that is none. Ansible evaluates templates in what -e
        holds; these names have no sign that begins one. (`!unsafe` is no way here: Ansible reads
        `!unsafe "2026-11-20"` as a date and `!unsafe "7"` as a number.)
        """
        own = {"pipeline": names.check("pipeline", self.pipeline)} if self.pipeline else {}
        own |= {"run_id": names.check_run_id(self.run_id)} if self.run_id else {}
        own |= {"ds": names.check_date(self.date)} if self.date else {}
        users = [word for argument in self.extra for word in ("-e", argument)]
        return [*users, "-e", json.dumps(own)]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What playbooks/settings.yml writes: values, why others have none, and `file:line` of what has one."""

    format: int
    values: dict[str, Any]
    errors: dict[str, str]
    origins: dict[str, str]


def read(question: Question, keys: Iterable[str]) -> Answer:
    """Run playbooks/settings.yml. Raises UsageError for files that Ansible cannot read."""
    root = question.root
    with tempfile.TemporaryDirectory(prefix="kiln-") as folder:
        answer = Path(folder) / "settings.json"
        # A path is text in YAML whatever it holds: `!unsafe` only keeps templates in it from being evaluated.
        place = f'{{"settings_file": !unsafe {json.dumps(str(answer))}}}'
        command = [
            paths.tool("ansible-playbook"),
            *("-i", str(root / "inventory" / question.environment / "hosts.yml")),
            str(root / "playbooks" / "settings.yml"),
            *question.arguments(),
            *("-e", json.dumps({"settings_keys": list(keys)}), "-e", place),
        ]
        finished = subprocess.run(
            command,
            cwd=root,
            env=paths.clean_environment(root, _WITHOUT_AWS),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            start_new_session=True,
        )
        if not answer.is_file():
            # Mostly a file that is no YAML: said in one line that names it.
            files.chain(question.root, question.environment, question.pipeline, question.extra)
            raise UsageError(
                f"Ansible cannot read the settings of {question.environment}",
                details=tuple(_complaint(finished.stdout + finished.stderr)),
                fix="correct what Ansible names",
            )
        return msgspec.json.decode(answer.read_bytes(), type=Answer)


def _complaint(output: str) -> list[str]:
    lines = [line for line in output.splitlines() if line.strip()]
    marked = [
        line for line in lines if "ERROR" in line or "fatal" in line or '"msg"' in line or "msg:" in line
    ]
    return (marked or lines)[-5:]
