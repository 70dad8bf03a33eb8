"""The table that turns each kind of step into the jar and arguments that EMR takes.

Facts: docs/aws_facts.md 3.1 (command-runner.jar, script-runner.jar); options of spark-submit: Spark 4.0,
"Submitting Applications"; of streaming jobs: Hadoop 3.4, "Hadoop Streaming".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kiln.errors import UsageError
from kiln.settings import glue_tables
from kiln.settings.fields import Scalar, text_of
from kiln.settings.problems import Problems
from kiln.settings.typed import shown
from kiln.step_programs import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kiln.settings.model import StepSettings
    from kiln.settings.step_kinds import CheckData, SparkJob, Streaming

COMMAND_RUNNER = "command-runner.jar"
MODELS = "/opt/kiln/models"
_S3 = "s3://"
_DAY = re.compile(r".*/[^/=]+=[0-9]{4}-[0-9]{2}-[0-9]{2}/?")


class Terms(NamedTuple):
    """What a kind needs to know. `repo` is the model repo's name; empty: the pipeline has none.

    `programs` is the folder of S3 with Kiln's own programs (kiln.step_programs.catalogue).
    """

    region: str
    repo: str = ""
    packages_allowed: bool = False
    programs: str = ""


class _Step(NamedTuple):
    """A step whose kind is being turned into jar and arguments; `place` is for messages."""

    place: str
    terms: Terms

    def file(self, path: str, key: str, *, scheme: str = "") -> str:
        """Return a file's path on the nodes, or its address."""
        if path.startswith(_S3):
            return path
        if ".." in path.split("/"):
            raise UsageError(
                f"{self.place}.{key} is {shown(path)}: no path may have ..", fix="write it without .."
            )
        if not path.startswith("/") and not self.terms.repo:
            raise UsageError(
                f"{self.place}.{key} is {shown(path)}, a path in the model repo, and the pipeline has none",
                fix="set model_repo_url, or give an address, s3://bucket/key",
            )
        within = "" if path == "." else f"/{path}"
        whole = path if path.startswith("/") else f"{MODELS}/{self.terms.repo}/current{within}"
        return scheme + whole


def _spark(job: SparkJob, step: _Step) -> list[str]:
    if bool(job.script) == bool(job.jar):
        has = "both script and jar" if job.script else "neither script nor jar"
        raise UsageError(f"{step.place} has {has}", fix="name a script, or a jar and its class")
    if bool(job.main_class) != bool(job.jar):
        lacks = "a jar without class" if job.jar else "a class without jar"
        raise UsageError(f"{step.place} has {lacks}", fix="name a jar and its main class, or a script alone")
    if job.packages and not step.terms.packages_allowed:
        raise UsageError(
            f"{step.place}.packages has {job.packages[0]}: Spark would load it from a Maven repository",
            fix="put the jar into S3 or the model repo, or set spark_packages_allowed: true",
        )
    words = ["spark-submit", "--deploy-mode", job.deploy_mode]
    words += ["--class", job.main_class] if job.main_class else []
    # `local:` is a file that every node has already: nothing is copied.
    shipped = [step.file(one, f"py_files[{at}]", scheme="local:") for at, one in enumerate(job.py_files)]
    words += ["--py-files", ",".join(shipped)] if shipped else []
    words += ["--packages", ",".join(job.packages)] if job.packages else []
    words += _pairs("--conf", job.conf)
    words += [step.file(job.script, "script") if job.script else step.file(job.jar, "jar")]
    return [*words, *_options(job.options), *job.args]


def _streaming(job: Streaming, step: _Step) -> list[str]:  # noqa: ARG001  # the table's signature
    # Generic options have to come before those of the job ("Hadoop Streaming", Generic Command Options).
    words = ["hadoop-streaming", *_pairs("-D", job.conf)]
    words += ["-files", ",".join(job.files)] if job.files else []
    words += ["-mapper", job.mapper]
    words += ["-combiner", job.combiner] if job.combiner else []
    words += ["-reducer", job.reducer] if job.reducer else []
    for one in job.input:
        words += ["-input", one]
    return [*words, "-output", job.output, *job.args]


def _check_data(job: CheckData, step: _Step) -> list[str]:
    if job.days_before and not _DAY.fullmatch(job.path):
        raise UsageError(
            f"{step.place}.days_before is {job.days_before}, and the path {shown(job.path)} names no day",
            fix="let the path end with …/date=YYYY-MM-DD/, or leave days_before out",
        )
    spec = msgspec.to_builtins(job)
    del spec["conf"]
    spec["source_options"] = {name: text_of(value) for name, value in job.source_options.items()}
    # The driver runs on the master: the report and what is wrong stand in the step's own log.
    words = ["spark-submit", "--deploy-mode", "client", *_pairs("--conf", job.conf)]
    program = catalogue.address(step.terms.programs, catalogue.CHECK_DATA)
    return [*words, program, json.dumps(spec, sort_keys=True, separators=(",", ":"))]


def _pairs(flag: str, values: Mapping[str, Scalar]) -> list[str]:
    return [word for name, value in values.items() for word in (flag, f"{name}={text_of(value)}")]


def _options(values: Mapping[str, Scalar]) -> list[str]:
    words: list[str] = []
    for name, value in values.items():
        if value is not False:
            words += [f"--{name}"] if value is True else [f"--{name}", text_of(value)]
    return words


def _script_runner(region: str) -> str:
    """Return the address of script-runner.jar, whose bucket each region has of its own."""
    return f"s3://{region}.elasticmapreduce/libs/script-runner/script-runner.jar"


class Kind(NamedTuple):
    """A row of the table: the jar in a region, the arguments, and what the step fills besides `outputs`."""

    jar: Callable[[str], str]
    args: Callable[[Any, _Step], list[str]]
    outputs: Callable[[Any], tuple[str, ...]] = lambda _: ()


KINDS: dict[str, Kind] = {
    "spark": Kind(lambda _: COMMAND_RUNNER, _spark),
    "command": Kind(lambda _: COMMAND_RUNNER, lambda words, _: list(words)),
    "script": Kind(_script_runner, lambda job, step: [step.file(job.path, "path"), *job.args]),
    "streaming": Kind(lambda _: COMMAND_RUNNER, _streaming),
    "check_data": Kind(
        lambda _: COMMAND_RUNNER, _check_data, lambda job: (job.report,) if job.report else ()
    ),
}


def resolved(
    steps: Sequence[StepSettings], terms: Terms, at: Callable[[str], str]
) -> tuple[StepSettings, ...]:
    """Return steps with jar and args in place of their kinds.

    `at` gives file and line of a place, such as `steps[0]`. Raises UsageError that names all that is wrong.
    """
    found = Problems()
    done = []
    for number, step in enumerate(steps):
        place = f"steps[{number}]"
        with found.collecting():
            done.append(_resolved(step, terms, f"{at(place)}: {place}"))
    found.raise_any()
    return tuple(done)


def _resolved(step: StepSettings, terms: Terms, place: str) -> StepSettings:
    glue_tables.check(step.tables, f"{place} ({step.name})")
    named = [kind for kind in KINDS if getattr(step, kind) is not None]
    named += ["jar"] if step.jar else []
    if len(named) != 1:
        has = f"both {' and '.join(named)}" if named else "no kind"
        raise UsageError(f"{place} ({step.name}) has {has}", fix=f"give it one of {', '.join(KINDS)}, or jar")
    kind = KINDS.get(named[0])
    if kind is None:
        return step
    if step.args:
        raise UsageError(
            f"{place} ({step.name}).args belongs to jar, and the step has {named[0]}",
            fix=f"move them into {named[0]}",
        )
    job = getattr(step, named[0])
    args = kind.args(job, _Step(f"{place} ({step.name}).{named[0]}", terms))
    outputs = tuple(dict.fromkeys((*step.outputs, *kind.outputs(job))))
    empty = dict.fromkeys(KINDS)
    return msgspec.structs.replace(
        step, jar=kind.jar(terms.region), args=tuple(args), outputs=outputs, **empty
    )
