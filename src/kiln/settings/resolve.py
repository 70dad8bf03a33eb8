"""Ask Ansible for the values of the typed model's variables, and for nothing else."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kiln import paths
from kiln.errors import UsageError
from kiln.settings import (
    check,
    files,
    inventories,
    lock_file,
    model,
    names,
    notification_rows,
    step_jars,
    step_needs,
    typed,
)
from kiln.settings.fields import Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

M = TypeVar("M", bound=Model)

_NOT_SET = "not set anywhere"
_SECONDS = 60


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


def run_settings(question: Question) -> tuple[model.Driver, model.ClusterShape]:
    """Return all that a run needs, fully typed. Raises UsageError."""
    sources = _checked(question)
    answer = _ask(question, model.driver_variables())
    driver = _typed(model.Driver, "", answer, sources)
    shape = _typed(model.ClusterShape, model.CLUSTER_PREFIX, answer, sources)
    label = answer.origins.get("steps", "settings")
    step_needs.check(driver.steps, label, concurrency=shape.step_concurrency_level)
    steps = step_jars.resolved(driver.steps, step_terms(driver), label)
    return msgspec.structs.replace(driver, steps=steps), shape


def step_terms(driver: model.Driver) -> step_jars.Terms:
    """Return what the kinds of a pipeline's steps depend on."""
    repo = driver.model_repo_name if driver.model_repo_url else ""
    return step_jars.Terms(driver.aws_region, repo, driver.spark_packages_allowed)


def part(question: Question, kind: type[M]) -> M:
    """Return only one part of the settings, such as where AWS is; the others may be wrong or unset."""
    inventories.check_environment(question.root, question.environment)
    if question.pipeline:
        inventories.check_pipeline(question.root, question.environment, question.pipeline)
    # The texts of -e key=value are numbers or booleans where the model wants them, as for a whole run.
    given = [files.extra_source(argument) for argument in question.extra]
    return _typed(kind, "", _ask(question, model.variables(kind)), given)


def _checked(question: Question) -> list[files.Source]:
    inventories.check_environment(question.root, question.environment)
    inventories.check_pipeline(question.root, question.environment, question.pipeline)
    return check.check(question.root, question.environment, question.pipeline, question.extra)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What playbooks/settings.yml writes: values, why others have none, and `file:line` of what has one."""

    format: int
    values: dict[str, Any]
    errors: dict[str, str]
    origins: dict[str, str]


def _ask(question: Question, fields: Mapping[str, msgspec.structs.FieldInfo]) -> Answer:
    """Ask Ansible. Raises UsageError that names all that is required and has no value."""
    answer = _run_playbook(question, sorted(fields))
    _check_requirements(question.root, answer)
    defaults = check.role_defaults(question.root)
    found: list[tuple[str, str]] = []
    for key, message in answer.errors.items():
        if _NOT_SET not in message:
            place = f" ({answer.origins[key]})" if key in answer.origins else ""
            found.append((f"{key}{place} has no value: {message}", f"correct {key} there"))
        elif fields[key].required and key not in defaults:
            found.append((f"{key} is not set", _where_to_set(question, key)))
    if found:
        (first, fix), *others = found
        raise UsageError(first, fix=fix, details=tuple(f"{what}; {how}" for what, how in others))
    return answer


def _check_requirements(root: Path, answer: Answer) -> None:
    """Name the missing lock file itself, not the variables that Ansible cannot compute without it."""
    key = "emr_node_python_requirements"
    place = answer.origins.get(key, "-e")
    name = typed.convert(answer.values.get(key, ""), str, label=place, key=key)
    if name and not (root / name).is_file():
        raise UsageError(
            f"{place}: emr_node_python_requirements is {name}: there is no such file",
            fix="write the lock file, or correct the name",
        )
    if name:
        lock_file.check(root / name, name)


def _where_to_set(question: Question, key: str) -> str:
    files_to_choose = [f"group_vars/{question.environment}/main.yml"]
    if question.pipeline:
        files_to_choose.insert(0, f"group_vars/{question.pipeline}.yml")
    return f"set {key} in {' or '.join(files_to_choose)}"


def _run_playbook(question: Question, keys: Iterable[str]) -> Answer:
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
            env=paths.clean_environment(root),
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


def _typed(kind: type[M], prefix: str, answer: Answer, sources: Sequence[files.Source]) -> M:
    as_text = {key for source in sources if source.as_text for key in source.values}
    found: dict[str, Any] = {}
    for key, field in model.variables(kind, prefix).items():
        if key in answer.values:
            label = answer.origins.get(key) or next((s.label for s in sources if key in s.values), "settings")
            if key == notification_rows.KEY:
                notification_rows.check_secrets(answer.values[key], label)
            one = typed.convert(answer.values[key], field.type, label=label, key=key, lax=key in as_text)
            # Plain data again, for the whole model's conversion.
            found[field.encode_name] = msgspec.to_builtins(one)
            if key == notification_rows.KEY:
                notification_rows.check(one, label)
    return typed.convert(found, kind, label="settings")
