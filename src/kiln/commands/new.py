"""`kiln new pipeline`: the files of a new pipeline, from options, or from questions on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kiln import paths, written_files
from kiln.display import terminal
from kiln.errors import UsageError
from kiln.settings import inventories, new_pipeline

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STEP = "main"
_CORE_NODES = 2
# What is asked on a terminal: option, question, what an empty answer means.
_QUESTIONS = (
    ("repo", "Git remote of the model repo (empty: none)", ""),
    ("program", "Spark script or jar: a path in the model repo, or s3://bucket/key", None),
    ("main_class", "Main class in the jar (empty: it is a script)", ""),
    ("core_count", "Number of core nodes (empty: 2)", ""),
)


def main(arguments: argparse.Namespace) -> int:
    """Write a new pipeline's files, all of them or none."""
    if not arguments.program:
        _ask(arguments)
    packages = [one.strip() for one in (arguments.requirements or "").split(",") if one.strip()]
    write(paths.checkout(), arguments, values_of(arguments), packages)
    return 0


def write(
    root: Path, arguments: argparse.Namespace, values: Mapping[str, Any], packages: Sequence[str] = ()
) -> None:
    """Write the files of the pipeline that the arguments name, and show them and the next command."""
    chosen = arguments.env.split(",") if arguments.env else inventories.environments(root)
    environments = list(dict.fromkeys(one.strip() for one in chosen))
    files = new_pipeline.files_of(root, arguments.name, environments, values, packages)
    written_files.write_all(files.new, files.changed)
    written = [str(path.relative_to(root)) for path in (*files.new, *files.changed)]
    check = paths.command("check", arguments.name, "--env", environments[0])
    if arguments.output == "json":
        head = {"version": 1, "kind": arguments.command, "pipeline": arguments.name}
        terminal.out_json(head | {"files": written, "next": check})
        return
    for path in written:
        terminal.out(path)
    if packages:
        terminal.err(f"kiln: lock requirements/{arguments.name}.in next (CONTRIBUTING.md has the command)")
    terminal.err(f"kiln: then {check}")


def values_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the options stand for."""
    is_jar = bool(arguments.main_class) or arguments.program.endswith(".jar")
    job = {"jar": arguments.program, "class": arguments.main_class or ""} if is_jar else {}
    job = job or {"script": arguments.program}
    spark = job | {"options": {"date": "{{ ds }}"}}
    values: dict[str, Any] = {"emr_cluster_core_count": arguments.core_count or _CORE_NODES}
    if arguments.instance_type:
        values["emr_cluster_master_instance_type"] = arguments.instance_type
        values["emr_cluster_core_instance_type"] = arguments.instance_type
    if arguments.repo:
        values |= {"model_repo_url": arguments.repo, "model_repo_name": arguments.name}
    return values | {"steps": [{"name": arguments.step or _STEP, "spark": spark}]}


def _ask(arguments: argparse.Namespace) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "no --spark: what does the pipeline run?", fix="--spark jobs/x.py, or s3://bucket/x.py"
        )
    for option, question, default in _QUESTIONS:
        if getattr(arguments, option):
            continue
        answer = _answer(question)
        while not answer and default is None:
            answer = _answer(question)
        setattr(arguments, option, answer or default)
    if arguments.core_count and not str(arguments.core_count).isdecimal():
        raise UsageError("the number of core nodes is no number", fix="give a whole number, such as 2")
    arguments.core_count = int(arguments.core_count or 0)


def _answer(question: str) -> str:
    """Ask on stderr: stdout is for the answer of the command."""
    sys.stderr.write(f"{question}: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise UsageError("the questions were not answered", fix="give --spark and the other options")
    return line.strip()
