"""`kiln new pipeline` and `kiln import sundial`: the files of a pipeline, all of them or none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pipeline_files
import pytest
import yaml
from hostile import many, texts
from hypothesis import given

from kiln import cli, paths, written_files
from kiln.errors import KilnError, UsageError, caught
from kiln.settings import ansible_values, check, inventory_lines, resolve, sundial
from kiln.settings.ansible_values import Question
from kiln.settings.problems import Problems

CHECKOUT = Path(__file__).resolve().parents[3]
NEW = ("new", "pipeline", "clicks")
SPARK = ("--spark", "s3://code/clicks.py")
HOSTS = (CHECKOUT / "inventory/local/hosts.yml").read_text()
JOB: dict[str, Any] = {
    "job_name": "MyJobName1",
    "region": "us-east-1",
    "class": "com.company.job.spark.core.MainClass",
    "s3_jar_path": "s3://my-spark-job-release-bucket/my-job-spark-v1-0-0.jar",
    "spark_conf": ["spark.driver.extraJavaOptions=-Denvironment=production"],
    "args": ["arg1", "arg2"],
    "s3_log_details": {"log_group_name": "group", "log_stream_name": "stream"},
}
EXISTING = {"existing_emr_cluster": {"cluster_id": "j-123ABC456DEF9"}}
CLUSTER = {
    "new_emr_cluster": {
        "name": "My Cluster Name",
        "release_label": "emr-5.11.0",
        "applications": ["Spark"],
        "s3_log_uri": "s3://cluster-log-bucket",
        "master_instance": {
            "emr_instance_type": "m4.large",
            "instance_count": 1,
            "aws_market": {"on_demand": "on_demand"},
        },
        "core_instance": {
            "emr_instance_type": "m4.xlarge",
            "instance_count": 2,
            "aws_market": {"spot": {"bid_price": 0.07}},
        },
        "emr_service_role": {"default_emr_service_role": "EMR_DefaultRole"},
        "emr_job_flow_role": {"default_emr_job_flow_role": "EMR_EC2_DefaultRole"},
        "ec2_subnet": "subnet-a123456b",
        "visible_to_all_users": True,
    }
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ansible_values, "read", pipeline_files.answer)
    monkeypatch.setattr(paths, "checkout", lambda: tmp_path)
    made = pipeline_files.make(tmp_path)
    for environment in ("local", "stage"):
        (made / f"inventory/{environment}").mkdir(exist_ok=True)
        (made / f"inventory/{environment}/hosts.yml").write_text(HOSTS.replace("local:", f"{environment}:"))
    return made


def everything(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def problems(root: Path, name: str) -> list[str]:
    found = Problems()
    resolve.examine(Question(root=root, environment="local", pipeline=name), found)
    return [one.message for one in found.found]


def task(cluster: dict[str, Any], **more: Any) -> str:
    return json.dumps({"executable": {"emr_command": {"emr_cluster": cluster, **JOB, **more}}})


def test_a_new_pipeline_has_settings_inventories_and_a_test(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*NEW, *SPARK, "--core-count", "3"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "group_vars/clicks.yml",
        "tests/unit/pipelines/test_clicks.py",
        "inventory/local/hosts.yml",
        "inventory/stage/hosts.yml",
    ]
    assert "check clicks --env local" in said.err
    assert problems(root, "clicks") == []
    check.check(root, "stage", "clicks", [])
    text = (root / "inventory/stage/hosts.yml").read_text()
    assert text.splitlines()[-1] == "            clicks: {}"
    assert [line for line in text.splitlines() if "#" in line] == [
        line for line in HOSTS.replace("local:", "stage:").splitlines() if "#" in line
    ]
    compile((root / "tests/unit/pipelines/test_clicks.py").read_text(), "test_clicks.py", "exec")


def test_a_pipeline_of_a_model_repo_with_packages_in_one_environment(root: Path) -> None:
    more = ("--repo", "git@git.example:team/clicks.git", "--requirements", "numpy,pandas", "--env", "stage")
    assert cli.main([*NEW, "--spark", "jobs/clicks.py", *more]) == 0
    values = yaml.safe_load((root / "group_vars/clicks.yml").read_text())
    assert values["model_repo_url"] == "git@git.example:team/clicks.git"
    assert values["emr_node_python_requirements"] == "requirements/clicks.txt"
    assert values["steps"][0]["spark"] == {"script": "jobs/clicks.py", "options": {"date": "{{ ds }}"}}
    assert (root / "requirements/clicks.in").read_text().splitlines()[-2:] == ["numpy", "pandas"]
    assert (root / "inventory/local/hosts.yml").read_text() == HOSTS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "pipeline", "Click-Stream", *SPARK), "the pipeline name Click-Stream cannot be used"),
        (("new", "pipeline", "launch", *SPARK), "the pipeline name launch is reserved"),
        (("new", "pipeline", "model_building", *SPARK), "there is a pipeline model_building already"),
        (("new", "pipeline", "model_building_local", *SPARK), "where a pipeline's values in an environment"),
        ((*NEW, *SPARK, "--env", "stgae"), "did you mean stage?"),
        ((*NEW, "--spark", "jobs/x.py"), "a path in the model repo, and the pipeline has none"),
        ((*NEW, "--spark", "s3://code/x.jar"), "a jar without class"),
        (NEW, "no --spark"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: Any, said: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    before = everything(root)
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err
    assert everything(root) == before


def test_what_exists_is_not_written_over(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "group_vars/clicks.yml").write_text("mine: 1\n")
    before = everything(root)
    assert cli.main([*NEW, *SPARK]) == 2
    assert "group_vars/clicks.yml exists already" in capsys.readouterr().err
    assert everything(root) == before


def test_a_write_that_fails_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, replace = everything(root), written_files._replace

    def full(path: Path, content: bytes) -> None:
        if "stage" in str(path):
            raise OSError(28, "No space left on device", str(path))
        replace(path, content)

    monkeypatch.setattr(written_files, "_replace", full)
    assert cli.main([*NEW, *SPARK]) == 10
    assert everything(root) == before
    assert not (root / "tests").exists()


def test_on_a_terminal_it_asks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("\n\ns3://code/x.jar\ncom.example.X\n4\n"))
    assert cli.main(NEW) == 0
    values = yaml.safe_load((root / "group_vars/clicks.yml").read_text())
    assert values["emr_cluster_core_count"] == 4
    assert values["steps"][0]["spark"]["class"] == "com.example.X"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("all: {pipelines: {children: {}}}\n", "all: {pipelines: {children: {x: {}}}}"),
        ("all: {pipelines: {children: {a: {}}}}\n", "all: {pipelines: {children: {a: {}, x: {}}}}"),
        ("pipelines:\n  children:\n    a:\n    # last\n", "    x: {}"),
        ("pipelines:\n  children:\n    a: {}", "    x: {}"),
    ],
)
def test_an_inventory_gets_one_name_more_in_its_own_form(text: str, line: str) -> None:
    written = inventory_lines.with_pipeline(text, "x", "hosts.yml")
    assert line in written.splitlines()
    assert all(one in written for one in text.split("children", maxsplit=1)[0].splitlines())


@pytest.mark.parametrize(
    "text", ["", "[1]", "all: 1", "pipelines: {children: }", "pipelines:\n  children:\n    a:\n      b: {}\n"]
)
def test_an_inventory_without_a_place_for_a_pipeline_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"hosts\.yml has no list of pipelines"):
        inventory_lines.with_pipeline(text, "x", "hosts.yml")


def test_a_sundial_task_on_a_new_cluster_becomes_a_pipeline(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "task.json").write_text(task(CLUSTER, retries=3))
    assert cli.main(["import", "sundial", str(root / "task.json"), "--name", "clicks"]) == 0
    assert problems(root, "clicks") == []
    assert yaml.safe_load((root / "group_vars/clicks.yml").read_text()) == {
        "emr_cluster_release_label": "emr-5.11.0",
        "emr_cluster_applications": ["Spark"],
        "emr_cluster_log_uri": "s3://cluster-log-bucket",
        "emr_cluster_service_role": "EMR_DefaultRole",
        "emr_cluster_instance_profile": "EMR_EC2_DefaultRole",
        "emr_cluster_subnet_id": "subnet-a123456b",
        "emr_cluster_master_instance_type": "m4.large",
        "emr_cluster_core_instance_type": "m4.xlarge",
        "emr_cluster_core_count": 2,
        "emr_cluster_master_market": "ON_DEMAND",
        "emr_cluster_core_market": "SPOT",
        "emr_cluster_core_bid_price": "0.07",
        "kiln_cloudwatch_logs": {"group": "group", "stream": "stream"},
        "steps": [
            {
                "name": "my_job_name1",
                "spark": {
                    "jar": JOB["s3_jar_path"],
                    "class": JOB["class"],
                    "conf": {"spark.driver.extraJavaOptions": "-Denvironment=production"},
                    "args": ["arg1", "arg2"],
                },
            }
        ],
    }
    said = capsys.readouterr().err
    for field in (
        "region",
        "visible_to_all_users",
        "master_instance.instance_c",
    ):
        assert field in said
    assert "retries is not imported: it is unknown" in said


def test_a_sundial_task_on_an_existing_cluster_names_that_cluster() -> None:
    imported = sundial.pipeline_of(task(EXISTING), "task.json")
    assert imported.name == "my_job_name1"
    assert imported.values["emr_cluster_existing"] == {"id": "j-123ABC456DEF9"}
    assert "emr_cluster_applications" not in imported.values
    assert not [note for note in imported.notes if "cluster_id" in note]


def test_a_definition_without_its_outer_braces_is_read_too() -> None:
    text = task(EXISTING).strip()[1:-1]
    assert sundial.pipeline_of(text, "task.json").name == "my_job_name1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("{}", "no emr_command"),
        ('{"a": {"emr_command": {}}, "b": {"emr_command": {}}}', "2 emr_commands"),
        ('{"emr_command": {}}', "emr_command has no job_name"),
        (task(EXISTING, spark_conf=["executor.memory"]), "spark_conf[0] is executor.memory"),
        (task(EXISTING, args="x"), "args is no list"),
    ],
)
def test_what_is_no_such_task_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        sundial.pipeline_of(text, "task.json")
    assert words in error.value.message


@many
@given(text=texts(task(EXISTING), '{"emr_command": 1}', "MyJob"))
def test_any_text_is_imported_or_refused_in_one_line(text: str) -> None:
    for given_text in (text, task(EXISTING, job_name=text, args=[text])):
        error = caught(lambda given_text=given_text: sundial.pipeline_of(given_text, "task.json"))  # type: ignore[misc]
        assert error is None or isinstance(error, UsageError), error
        assert not isinstance(error, KilnError) or "\n" not in error.message
