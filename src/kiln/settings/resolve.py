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
from kiln.settings import check, files, model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

M = TypeVar("M", bound=model.Model)

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
        """Return the -e arguments that every playbook of this run gets; kiln's own win."""
        own = {"pipeline": self.pipeline} if self.pipeline else {}
        own |= {"run_id": self.run_id} if self.run_id else {}
        own |= {"ds": self.date} if self.date else {}
        users = [word for argument in self.extra for word in ("-e", argument)]
        return [*users, "-e", json.dumps(own)]


def run_settings(question: Question) -> tuple[model.Driver, model.ClusterShape]:
    """Return all that a run needs, fully typed. Raises UsageError."""
    sources = _checked(question)
    values, origins = _ask(question, model.driver_variables())
    driver = _typed(model.Driver, "", values, origins, sources)
    return driver, _typed(model.ClusterShape, model.CLUSTER_PREFIX, values, origins, sources)


def part(question: Question, kind: type[M]) -> M:
    """Return only one part of the settings, such as where AWS is; the others may be wrong or unset."""
    files.check_environment(question.root, question.environment)
    if question.pipeline:
        files.check_pipeline(question.root, question.environment, question.pipeline)
    values, origins = _ask(question, model.variables(kind))
    return _typed(kind, "", values, origins, [])


def _checked(question: Question) -> list[files.Source]:
    files.check_environment(question.root, question.environment)
    files.check_pipeline(question.root, question.environment, question.pipeline)
    return check.check(question.root, question.environment, question.pipeline, question.extra)


def _ask(
    question: Question, fields: Mapping[str, msgspec.structs.FieldInfo]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return values and where they stand. Raises UsageError for what is required and has no value."""
    document = _run_playbook(question, sorted(fields))
    defaults = check.role_defaults(question.root)
    for key, message in document["errors"].items():
        if _NOT_SET in message:
            if fields[key].required and key not in defaults:
                raise UsageError(f"{key} is not set", fix=_where_to_set(question, key))
            continue
        raise UsageError(f"{key}{_place(document, key)} has no value: {message}")
    return document["values"], document["origins"]


def _where_to_set(question: Question, key: str) -> str:
    return f"set {key} in group_vars/{question.pipeline}.yml or group_vars/{question.environment}/main.yml"


def _place(document: Mapping[str, Any], key: str) -> str:
    place = document["origins"].get(key)
    return f" ({place})" if place else ""


def _run_playbook(question: Question, keys: Iterable[str]) -> dict[str, Any]:
    root = question.root
    with tempfile.TemporaryDirectory(prefix="kiln-") as folder:
        answer = Path(folder) / "settings.json"
        asked = {"settings_keys": list(keys), "settings_file": str(answer)}
        command = [
            paths.tool("ansible-playbook"),
            *("-i", str(root / "inventory" / question.environment / "hosts.yml")),
            str(root / "playbooks" / "settings.yml"),
            *question.arguments(),
            *("-e", json.dumps(asked)),
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
            raise UsageError(
                f"Ansible cannot read the settings of {question.pipeline} in {question.environment}",
                details=tuple(_complaint(finished.stdout + finished.stderr)),
                fix=f"ansible-playbook -i inventory/{question.environment} playbooks/settings.yml "
                f"-e pipeline={question.pipeline}",
            )
        return dict(json.loads(answer.read_bytes()))


def _complaint(output: str) -> list[str]:
    lines = [line for line in output.splitlines() if line.strip()]
    marked = [
        line for line in lines if "ERROR" in line or "fatal" in line or '"msg"' in line or "msg:" in line
    ]
    return (marked or lines)[-5:]


def _typed(
    kind: type[M],
    prefix: str,
    values: Mapping[str, Any],
    origins: Mapping[str, str],
    sources: Sequence[files.Source],
) -> M:
    as_text = {key for source in sources if source.as_text for key in source.values}
    found: dict[str, Any] = {}
    for key, field in model.variables(kind, prefix).items():
        if key in values:
            label = origins.get(key) or next((s.label for s in sources if key in s.values), "settings")
            source = files.Source(label, {}, key in as_text)
            found[field.encode_name] = _resolved(source, key, values[key], field)
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"settings: {check.plain(str(error))}") from error


def _resolved(source: files.Source, key: str, value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """Check one value; what comes back is still plain data, for the whole model's conversion."""
    try:
        typed = msgspec.convert(value, field.type, strict=not source.as_text)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{source.label}: {key} is {check.shown(value)}: {check.plain(str(error))}",
            fix=f"correct {key} there",
        ) from error
    return msgspec.to_builtins(typed)
