"""Kinds of steps: the jar and arguments that EMR gets, and what is refused before a launch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import UsageError, caught
from kiln.settings import resolve, step_jars, typed
from kiln.settings.ansible_values import Question
from kiln.settings.model import StepSettings
from kiln.settings.step_jars import KINDS, Terms

CHECKOUT = Path(__file__).resolve().parents[3]
TERMS = Terms(region="eu-west-1", repo="team")
CURRENT = "/opt/kiln/models/team/current"


def step(terms: Terms = TERMS, **row: Any) -> StepSettings:
    rows = typed.convert([{"name": "sd"} | row], tuple[StepSettings, ...], label="f.yml", key="steps")
    (found,) = step_jars.resolved(rows, terms, lambda _place: "f.yml")
    return found


def refused(terms: Terms = TERMS, **row: Any) -> str:
    with pytest.raises(UsageError) as error:
        step(terms, **row)
    assert error.value.fix
    assert "\n" not in error.value.message
    return error.value.message


def test_a_spark_script_of_the_model_repo_runs_from_its_active_release() -> None:
    found = step(
        spark={
            "script": "jobs/sd.py",
            "py_files": [".", "lib/x.zip", "s3://code/y.zip"],
            "conf": {"spark.executor.cores": 2, "spark.speculation": True},
            "options": {"date": "2026-11-20", "verbose": True, "quiet": False, "top": 7},
            "args": ["more"],
        }
    )
    assert found.jar == "command-runner.jar"
    assert found.args == (
        *("spark-submit", "--deploy-mode", "cluster"),
        *("--py-files", f"local:{CURRENT},local:{CURRENT}/lib/x.zip,s3://code/y.zip"),
        *("--conf", "spark.executor.cores=2", "--conf", "spark.speculation=true"),
        f"{CURRENT}/jobs/sd.py",
        *("--date", "2026-11-20", "--verbose", "--top", "7", "more"),
    )


def test_a_spark_jar_has_its_class_and_may_run_its_driver_on_the_master() -> None:
    found = step(
        Terms("us-east-1", packages_allowed=True),
        spark={
            "jar": "s3://code/job.jar",
            "class": "com.example.Job",
            "deploy_mode": "client",
            "packages": ["org.example:one_2.13:1.0", "org.example:two:2"],
        },
    )
    assert found.args == (
        *("spark-submit", "--deploy-mode", "client", "--class", "com.example.Job"),
        *("--packages", "org.example:one_2.13:1.0,org.example:two:2"),
        "s3://code/job.jar",
    )


def test_a_command_is_given_as_it_stands() -> None:
    found = step(command=["bash", "-c", "exit 3"])
    assert (found.jar, found.args) == ("command-runner.jar", ("bash", "-c", "exit 3"))


@pytest.mark.parametrize("path", ["s3://code/x.sh", "bin/x.sh", "/usr/bin/x"])
def test_a_script_runs_with_the_script_runner_of_the_region(path: str) -> None:
    found = step(script={"path": path, "args": ["a"]})
    assert found.jar == "s3://eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar"
    assert found.args == (f"{CURRENT}/{path}" if path == "bin/x.sh" else path, "a")


def test_a_streaming_job_has_generic_options_first() -> None:
    found = step(
        streaming={
            "mapper": "map.py",
            "reducer": "aggregate",
            "combiner": "sum.py",
            "input": ["s3://in/a", "s3://in/b"],
            "output": "s3://out",
            "files": ["s3://code/map.py", "s3://code/sum.py"],
            "conf": {"mapreduce.job.reduces": 2},
            "args": ["-verbose"],
        }
    )
    assert found.args == (
        *("hadoop-streaming", "-D", "mapreduce.job.reduces=2"),
        *("-files", "s3://code/map.py,s3://code/sum.py"),
        *("-mapper", "map.py", "-combiner", "sum.py", "-reducer", "aggregate"),
        *("-input", "s3://in/a", "-input", "s3://in/b", "-output", "s3://out", "-verbose"),
    )


def test_a_jar_with_arguments_stays_as_it_is_and_so_does_what_belongs_to_no_kind() -> None:
    row: dict[str, Any] = {"jar": "s3://x/y.jar", "args": ["a"], "durable": True, "needs": []}
    assert step(**row) == StepSettings(name="sd", jar="s3://x/y.jar", args=("a",), durable=True, needs=())
    assert step(command=["true"], durable=True).durable


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "steps[0] (sd) has no kind"),
        ({"jar": "x.jar", "command": ["ls"]}, "has both command and jar"),
        ({"command": ["ls"], "args": ["x"]}, "(sd).args belongs to jar, and the step has command"),
        ({"spark": {}}, "(sd).spark has neither script nor jar"),
        ({"spark": {"script": "a.py", "jar": "b.jar"}}, "spark has both script and jar"),
        ({"spark": {"jar": "b.jar"}}, "spark has a jar without class"),
        ({"spark": {"script": "a.py", "class": "B"}}, "spark has a class without jar"),
        ({"spark": {"script": "jobs/../../x.py"}}, "spark.script is 'jobs/../../x.py': no path may have .."),
        ({"spark": {"script": "x.py", "packages": ["a:b:1"]}}, "spark.packages has a:b:1"),
        ({"spark": {"script": "x.py", "packages": ["a b"]}}, "Maven coordinates"),
        ({"spark": {"script": "x.py", "py_files": ["a,b"]}}, "py_files[0] is 'a,b': expected a path"),
        ({"spark": {"script": "hdfs:///x.py"}}, "spark.script is 'hdfs:///x.py': expected a path"),
        ({"spark": {"script": "x.py", "deploy_mode": "local"}}, "expected cluster or client"),
        ({"spark": {"script": "x.py", "options": {"--date": "x"}}}, "the name of an option without"),
        ({"script": {}}, "steps[0].script has no path"),
        ({"script": {"path": ""}}, "steps[0].script.path is ''"),
        ({"streaming": {"mapper": "m", "output": "o"}}, "steps[0].streaming has no input"),
    ],
)
def test_what_no_cluster_could_run_is_refused_with_its_place(row: dict[str, Any], words: str) -> None:
    message = refused(**row)
    assert message.startswith("f.yml: ")
    assert "steps[0]" in message
    assert words in message


@pytest.mark.parametrize("kind", [{"spark": {"script": "x.py"}}, {"script": {"path": "x.sh"}}])
def test_a_path_in_a_model_repo_that_the_pipeline_does_not_have_is_refused(kind: dict[str, Any]) -> None:
    assert "a path in the model repo, and the pipeline has none" in refused(Terms("us-east-1"), **kind)


def test_every_kind_of_the_table_is_a_field_of_a_step() -> None:
    assert set(KINDS) <= set(StepSettings.__struct_fields__)


@many
@given(
    row=st.dictionaries(
        st.sampled_from([*KINDS, "jar", "args"]),
        st.one_of(
            documents(),
            st.dictionaries(
                st.sampled_from(["script", "jar", "class", "conf", "options", "path", "py_files"]),
                st.one_of(texts("jobs/x.py", "s3://b/k"), documents()),
            ),
        ),
        max_size=2,
    )
)
def test_any_row_becomes_one_jar_with_texts_or_one_line(row: dict[str, Any]) -> None:
    error = caught(lambda: step(**row))
    if error is not None:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
    else:
        found = step(**row)
        assert found.jar
        assert all(isinstance(word, str) for word in found.args)
        assert all(getattr(found, kind) is None for kind in KINDS)
        assert not any(".." in word.split("/") for word in found.args if word.startswith(CURRENT))


@pytest.mark.processes
def test_model_building_sends_the_arguments_that_it_sent_before_kinds() -> None:
    """A complete step of an earlier version of the file is complete for this one too."""
    question = Question(
        root=CHECKOUT,
        environment="local",
        pipeline="model_building",
        run_id="r-7",
        date="2026-11-20",
        extra=("model_building_database_host=db.example", '{"model_building_spark_conf": {}}'),
    )
    driver, _ = resolve.run_settings(question)
    release = "/opt/kiln/models/model_repo/current"
    for found in driver.steps:
        assert found.jar == "command-runner.jar"
        assert found.args == (
            *("spark-submit", "--deploy-mode", "cluster", "--py-files", f"local:{release}"),
            f"{release}/jobs/{found.name}.py",
            *("--date", "2026-11-20", "--input", "s3://kiln-local-data/telemetry"),
            *("--output", "s3://kiln-local-data/models/r-7"),
            *("--database-host", "db.example", "--database-port", "5432"),
            *("--database-name", "telemetry", "--database-user", "model_reader"),
            *("--secrets-file", "/home/hadoop/.kiln/secrets/model_building.json"),
        )
