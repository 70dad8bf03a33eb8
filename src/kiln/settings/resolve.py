"""The settings of a run, typed: what Ansible resolves, and all that is wrong with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kiln.errors import UsageError
from kiln.settings import (
    ansible_values,
    check,
    cluster_software,
    dag_check,
    existing_cluster,
    existing_cluster_check,
    files,
    inventories,
    keep_alive,
    lock_file,
    managed_scaling,
    managed_scaling_check,
    model,
    node_files,
    node_work,
    notification_rows,
    step_jars,
    step_names,
    step_needs,
    system_settings,
    template_errors,
    typed,
)
from kiln.settings.ansible_values import Answer, Question
from kiln.settings.fields import Model
from kiln.settings.problems import Problems
from kiln.step_programs import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

M = TypeVar("M", bound=Model)

_NOT_SET = "not set anywhere"


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline's settings: values as Ansible resolves them, and `file:line` of those that a file has.

    `driver` and `shape` are None when something is wrong with them; the steps then have no arguments.
    """

    values: dict[str, Any]
    # Of every value: `file:line`, -e, or the default of a role.
    origins: dict[str, str]
    driver: model.Driver | None
    shape: model.ClusterShape | None


def run_settings(question: Question) -> tuple[model.Driver, model.ClusterShape]:
    """Return all that a run needs, fully typed. Raises UsageError that names all that is wrong."""
    found = Problems()
    examined = examine(question, found, asks_anyway=False)
    found.raise_any()
    if examined.driver is None or examined.shape is None:
        raise UsageError("the settings cannot be typed")  # not reached: a problem has been found
    return examined.driver, examined.shape


def examine(question: Question, found: Problems, *, asks_anyway: bool = True) -> Examination:
    """Return a pipeline's settings, and add to `found` all that is wrong with them; AWS is not asked.

    Raises UsageError for an environment or a pipeline that does not exist, and, unless Ansible is asked
    anyway, for what is wrong with the files as they stand.
    """
    inventories.check_environment(question.root, question.environment)
    inventories.check_pipeline(question.root, question.environment, question.pipeline)
    sources = check.examine(question.root, question.environment, question.pipeline, question.extra, found)
    if not asks_anyway:
        found.raise_any()
    answer = Answer(format=1, values={}, errors={}, origins={})
    with found.collecting():
        answer = _answer(question, model.driver_variables(), found, sources)
    driver = _examined(model.Driver, "", answer, sources, found)
    shape = _examined(model.ClusterShape, model.CLUSTER_PREFIX, answer, sources, found)
    if driver is not None:
        for error in _node_problems(driver, question.root, answer, sources):
            found.add(error)
    if driver is not None and shape is not None:
        driver = _examined_steps(driver, shape, answer, sources, found)
    origins = {key: _places(key, answer, sources)(key) for key in answer.values}
    return Examination(values=answer.values, origins=origins, driver=driver, shape=shape)


def _node_problems(
    driver: model.Driver, root: Path, answer: Answer, sources: Sequence[files.Source]
) -> Iterator[UsageError]:
    """Yield what cannot be put on nodes."""
    at_files = _places(node_files.KEY, answer, sources)
    yield from node_files.problems(driver.emr_node_files, root, at_files)
    at_settings = _places(system_settings.KEY, answer, sources)
    yield from system_settings.problems(driver.emr_node_system_settings, at_settings)


def _examined_steps(
    driver: model.Driver,
    shape: model.ClusterShape,
    answer: Answer,
    sources: Sequence[files.Source],
    found: Problems,
) -> model.Driver | None:
    label = answer.origins.get("steps", "settings")
    applications = f"{model.CLUSTER_PREFIX}applications"
    for error in cluster_software.problems(
        shape, driver.steps, _places(applications, answer, sources)(applications)
    ):
        found.add(error)
    at_existing = _places(existing_cluster.KEY, answer, sources)(existing_cluster.KEY)
    for error in existing_cluster_check.problems(driver.emr_cluster_existing, driver.steps, at_existing):
        found.add(error)
    for error in dag_check.problems(driver.dag, _places(dag_check.KEY, answer, sources)):
        found.add(error)
    at_scaling = _places(managed_scaling.KEY, answer, sources)(managed_scaling.KEY)
    for error in managed_scaling_check.problems(shape, at_scaling):
        found.add(error)
    at_keep_alive = _places(keep_alive.KEY, answer, sources)(keep_alive.KEY)
    with found.collecting():
        work = node_work.keys(driver, sources)
        for error in keep_alive.problems(driver, shape, work, at_keep_alive):
            found.add(error)
    for error in step_names.problems(driver.steps, _places("steps", answer, sources)):
        found.add(error)
    with found.collecting():
        step_needs.check(driver.steps, label, concurrency=shape.step_concurrency_level)
    with found.collecting():
        steps = step_jars.resolved(driver.steps, step_terms(driver), _places("steps", answer, sources))
        return msgspec.structs.replace(driver, steps=steps)
    return None


def step_terms(driver: model.Driver) -> step_jars.Terms:
    """Return what the kinds of a pipeline's steps depend on."""
    repo = driver.model_repo_name if driver.model_repo_url else ""
    programs = catalogue.folder(driver.kiln_state_uri, driver.kiln_environment)
    return step_jars.Terms(driver.aws_region, repo, driver.spark_packages_allowed, programs)


def part(question: Question, kind: type[M]) -> M:
    """Return only one part of the settings, such as where AWS is; the others may be wrong or unset."""
    inventories.check_environment(question.root, question.environment)
    if question.pipeline:
        inventories.check_pipeline(question.root, question.environment, question.pipeline)
    # The texts of -e key=value are numbers or booleans where the model wants them, as for a whole run.
    given = [files.extra_source(argument) for argument in question.extra]
    return _typed(kind, "", _ask(question, model.variables(kind)), given)


def _ask(question: Question, fields: Mapping[str, msgspec.structs.FieldInfo]) -> Answer:
    """Ask Ansible. Raises UsageError that names all that is required and has no value."""
    found = Problems()
    answer = _answer(question, fields, found)
    found.raise_any()
    return answer


def _answer(
    question: Question,
    fields: Mapping[str, msgspec.structs.FieldInfo],
    found: Problems,
    sources: Sequence[files.Source] = (),
) -> Answer:
    """Ask Ansible; what has no value, and is required, is added to `found`."""
    answer = ansible_values.read(question, sorted(fields))
    known = {*fields, *(str(key) for source in sources for key in source.values)}
    with found.collecting():
        _check_requirements(question.root, answer)
    defaults = check.role_defaults(question.root)
    for key, message in answer.errors.items():
        if _NOT_SET not in message:
            place = f"{answer.origins[key]}: " if key in answer.origins else ""
            what, fix = template_errors.explained(message, key, known)
            found.add(UsageError(f"{place}{key} has no value: {what}", fix=fix))
        elif fields[key].required and key not in defaults:
            found.add(UsageError(f"{key} is not set", fix=_where_to_set(question, key)))
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


def _typed(kind: type[M], prefix: str, answer: Answer, sources: Sequence[files.Source]) -> M:
    """Return a model of the values. Raises UsageError that names all that is wrong with them."""
    found = Problems()
    typed_model = _examined(kind, prefix, answer, sources, found)
    found.raise_any()
    if typed_model is None:
        raise UsageError("the settings cannot be typed")  # not reached: a problem has been found
    return typed_model


def _examined(
    kind: type[M], prefix: str, answer: Answer, sources: Sequence[files.Source], found: Problems
) -> M | None:
    """Return a model of the values; None, with all that is wrong added to `found`, if there is none."""
    as_text = {key for source in sources if source.as_text for key in source.values}
    plain: dict[str, Any] = {}
    is_wrong = False
    for key, field in model.variables(kind, prefix).items():
        if key not in answer.values:
            continue
        value, lax = answer.values[key], key in as_text
        at = _places(key, answer, sources)
        # What comes after it quotes the value.
        if key == notification_rows.KEY and not found.passes(
            partial(notification_rows.check_secrets, value, at(key))
        ):
            is_wrong = True
            continue
        wanted = check.SHAPES.get(key, field.type)
        problems = typed.problems(value, wanted, label="settings", key=key, lax=lax)
        for problem in problems:
            found.add(UsageError(f"{at(problem.place)}: {problem.text}", fix=problem.fix))
        is_wrong = is_wrong or bool(problems)
        if not problems:
            # Plain data again, for the whole model's conversion.
            one = typed.convert(value, field.type, label="settings", key=key, lax=lax)
            plain[field.encode_name] = msgspec.to_builtins(one)
            if key == notification_rows.KEY:
                with found.collecting():
                    notification_rows.check(one, at(key))
    if is_wrong or any(_is_absent(one, plain) for one in model.variables(kind).values()):
        return None
    return typed.convert(plain, kind, label="settings")


def _is_absent(field: msgspec.structs.FieldInfo, plain: Mapping[str, Any]) -> bool:
    return field.required and field.encode_name not in plain


def _places(key: str, answer: Answer, sources: Sequence[files.Source]) -> Callable[[str], str]:
    """Return a function from a place within a variable to its file and line.

    Ansible knows where the variable stands; lines within it are those of the file that sets it.
    """
    origin = answer.origins.get(key, "")
    name = origin.rpartition(":")[0] or origin
    setting = [source for source in sources if key in source.values]
    same = [source for source in setting if source.label == name]
    if same:
        return same[-1].at
    # Ansible does not know where true, false and null stand; -e has no file.
    if not origin and setting:
        return setting[-1].at
    label = origin or "default of a role"
    return lambda _place: label
