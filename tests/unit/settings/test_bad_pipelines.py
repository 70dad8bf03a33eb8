"""Pipeline files that are wrong: each is one line with file, line, key, value and fix, before any launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pipeline_files
import pytest
from pipeline_files import FILE, HOSTS

from kiln.errors import UsageError
from kiln.settings import ansible_values, inventories, resolve
from kiln.settings.ansible_values import Question
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from pathlib import Path


class Bad(NamedTuple):
    """A file; the line and the key that are named; words of the message. The fix is never empty."""

    text: str
    line: int
    key: str
    words: str


STEP = "steps:\n  - name: load\n"
SPARK = f"{STEP}    spark:\n      script: s3://code/x.py\n"
BAD = {
    "key, misspelt": Bad("emr_cluster_core_cuont: 2\n", 1, "emr_cluster_core_cuont", "_core_count?"),
    "key of another pipeline": Bad("nightly_input: x\n", 1, "nightly_input", "unknown key"),
    "key twice": Bad("model_repo_url: a\nmodel_repo_url: b\n", 2, "model_repo_url", "first in line 1"),
    "key of a step twice": Bad(f"{STEP}    jar: a\n    jar: b\n", 4, "steps[0].jar", "first in line 3"),
    "text for a number": Bad("emr_cluster_core_count: two\n", 1, "emr_cluster_core_count", "'two'"),
    "negative count": Bad("\nemr_cluster_core_count: -1\n", 2, "emr_cluster_core_count", "-1"),
    "truth for a number": Bad("emr_cluster_task_count: true\n", 1, "emr_cluster_task_count", "True"),
    "list as text": Bad("emr_cluster_applications: Spark\n", 1, "emr_cluster_applications", "a list"),
    "packages as text": Bad("emr_node_os_packages: jq\n", 1, "emr_node_os_packages", "'jq'"),
    "file without a folder": Bad(
        "emr_node_files:\n  - {path: /x, content: a}\n", 2, "emr_node_files[0].path", "the absolute"
    ),
    "file of the system": Bad(
        "emr_node_files:\n  - path: /etc/ssh/sshd_config\n    content: a\n",
        2, "emr_node_files[0].path", "/etc/ssh is what logins",
    ),
    "mode without quotes": Bad(
        "emr_node_files:\n  - {path: /etc/x, content: a, mode: 0644}\n", 2, "emr_node_files[0].mode", "420"
    ),
    "source that is not there": Bad(
        "emr_node_files:\n  - path: /etc/x\n    source: x.bin\n", 3, "emr_node_files[0].source", "no such"
    ),
    "limit, misspelt": Bad(
        "emr_node_system_settings:\n  limits:\n    hadoop: {nofiles: 1}\n",
        3, "emr_node_system_settings.limits.hadoop.nofiles", "is no limit",
    ),
    "truth for a setting of the kernel": Bad(
        "emr_node_system_settings: {kernel: {vm.swappiness: yes}}\n",
        1, "emr_node_system_settings.kernel.vm.swappiness", "True",
    ),
    "application, misspelt": Bad("emr_cluster_applications: [Sparkk]\n", 1, "[0] is 'Sparkk'", "Spark?"),
    "instance type of an attempt": Bad(
        "kiln_alternatives:\n  - core_instance_type: R5.XLarge\n",
        2, "kiln_alternatives[0].core_instance_type", "'R5.XLarge'",
    ),
    "no application for the step": Bad(
        f"emr_cluster_applications: [Hadoop]\n{SPARK}", 1, "emr_cluster_applications", "load is a Spark job"
    ),
    "release label": Bad("emr_cluster_release_label: '7.10'\n", 1, "emr_cluster_release_label", "'7.10'"),
    "instance type": Bad(
        "emr_cluster_core_instance_type: m5xlarge\n", 1, "emr_cluster_core_instance_type", "like m5.xlarge"
    ),
    "market": Bad("emr_cluster_core_market: spot\n", 1, "emr_cluster_core_market", "ON_DEMAND or SPOT"),
    "idle timeout": Bad("emr_cluster_idle_timeout_seconds: 5\n", 1, "emr_cluster_idle_timeout_", "60 to"),
    "state in no bucket": Bad("kiln_state_uri: /state\n", 1, "kiln_state_uri", "s3://bucket/prefix"),
    "classification, misspelt": Bad(
        "emr_cluster_configurations:\n  - Clasification: spark\n    Properties: {}\n",
        2, "emr_cluster_configurations[0]", "(did you mean Classification?)",
    ),
    "properties in a list": Bad(
        "emr_cluster_configurations:\n  - Classification: spark\n    Properties: [a]\n",
        3, "emr_cluster_configurations[0].Properties", "['a']",
    ),
    "property with members": Bad(
        "emr_cluster_configurations:\n  - Classification: spark\n    Properties:\n      a: {b: 1}\n",
        4, "emr_cluster_configurations[0].Properties.a", "{'b': 1}",
    ),
    "export in the wrong place": Bad(
        "emr_cluster_configurations:\n  - Classification: spark-env\n    export: {A: b}\n",
        3, "emr_cluster_configurations[0]", "unknown key export",
    ),
    "secret by its name": Bad("daily_password: hunter2\n", 1, "daily_password", "a secret in plain text"),
    "secret in a step": Bad(
        f"{STEP}    command: [load, --token, hunter2]\n", 3, "steps[0].command[2]", "its value is not shown"
    ),
    "access key": Bad(
        "daily_source: {id: AKIA" + "ABCDEFGHIJKLMNOP}\n", 1, "daily_source.id", "an AWS access key"
    ),
    "password in an address": Bad(
        "model_repo_url: https://me:hunter2@git.example/x\n", 1, "model_repo_url", "password in an address"
    ),
    "secret from the vault": Bad("kiln_owner: '{{ vault_x }}'\n", 1, "kiln_owner", "refers to vault_x"),
    "folder above": Bad("model_repo_name: ../x\n", 1, "model_repo_name", "the name of a folder"),
    "step without a kind": Bad(STEP, 2, "steps[0] (load)", "has no kind"),
    "step of two kinds": Bad(f"{SPARK}    jar: x.jar\n", 2, "steps[0] (load)", "both spark and jar"),
    "kind, misspelt": Bad(f"{STEP}    sparc: {{}}\n", 3, "steps[0]", "sparc (did you mean spark?)"),
    "script and jar": Bad(f"{SPARK}      jar: x.jar\n", 2, "steps[0] (load).spark", "script and jar"),
    "Spark property": Bad(f"{SPARK}      conf: {{executor.memory: 4g}}\n", 5, "executor.memory", "spark.…"),
    "packages": Bad(f"{SPARK}      packages: ['a:b:1']\n", 2, "spark.packages", "a:b:1"),
    "path in no model repo": Bad(
        f"{STEP}    spark: {{script: jobs/x.py}}\n", 2, "spark.script is 'jobs/x.py'", "the pipeline has none"
    ),
    "command as text": Bad(f"{STEP}    command: ls -l\n", 3, "steps[0].command", "'ls -l': expected a list"),
    "step's name": Bad("steps:\n  - name: Load-All\n    jar: x\n", 2, "steps[0].name", "'Load-All'"),
    "step with the name of an action": Bad(
        "steps:\n  - name: terminate\n    jar: x\n", 2, "steps[0].name is terminate", "an action's name"
    ),
    "two steps of one name": Bad(
        "steps:\n  - {name: a, jar: x}\n  - {name: a, jar: y}\n",
        3, "steps[1].name is a", "as steps[0].name is",
    ),
    "group with the name of an action": Bad(
        f"{STEP}    jar: x\n    group: launch\n", 4, "steps[0].group is launch", "an action's name"
    ),
    "group with the name of a step": Bad(
        "steps:\n  - {name: a, jar: x, group: b}\n  - {name: b, jar: y}\n",
        2, "steps[0].group is b", "a step's name",
    ),
    "variable of Ansible's": Bad("hosts: all\n", 1, "hosts", "unknown key"),
    "step that is not there": Bad(
        f"{STEP}    jar: x\n    needs: [laod]\n", 1, "steps[0] (load).needs", "laod"
    ),
    "cycle": Bad(
        "steps:\n  - {name: a, jar: x, needs: [b]}\n  - {name: b, jar: x, needs: [a]}\n",
        1, "steps", "a, b need each other",
    ),
    "no mapping": Bad("[1, 2]\n", 0, "", "holds a list"),
    "no YAML": Bad("a: [1, 2\nb: 3\n", 2, "", "is not valid YAML"),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ansible_values, "read", pipeline_files.answer)
    return pipeline_files.make(tmp_path)


def examined(root: Path, text: str, *extra: str) -> tuple[list[UsageError], resolve.Examination]:
    (root / FILE).write_text(text)
    found = Problems()
    question = Question(root=root, environment="local", pipeline="daily", extra=extra)
    return found.found, resolve.examine(question, found)


def test_a_good_file_has_no_problem(root: Path) -> None:
    found, settings = examined(root, f"emr_cluster_core_count: 3\n{SPARK}")
    assert [one.message for one in found] == []
    assert settings.driver is not None
    assert settings.driver.steps[0].jar == "command-runner.jar"
    assert settings.origins["emr_cluster_core_count"] == f"{FILE}:1"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_with_file_line_key_value_and_fix(root: Path, name: str) -> None:
    bad = BAD[name]
    found, _ = examined(root, bad.text)
    assert found, "accepted"
    first = found[0]
    assert first.message.isprintable()
    place = f"{FILE}:{bad.line}: " if bad.key else FILE
    assert first.message.startswith(place), first.message
    assert bad.key in first.message
    assert bad.words in first.message
    assert first.fix
    assert "hunter2" not in f"{first.message} {first.fix} {first.details}"


def test_all_that_is_wrong_is_found_at_once(root: Path) -> None:
    some = ("key, misspelt", "negative count", "release label", "secret by its name", "properties in a list")
    found, _ = examined(
        root, "".join(BAD[name].text for name in some), "daily_x=1", "emr_cluster_core_cuont=3"
    )
    said = [one.message for one in found]
    for words in ("core_cuont", "-1", "'7.10'", "daily_password", "Properties", "daily_x", "-e: unknown key"):
        assert any(words in one for one in said), words
    assert len(said) == len(set(said)) == 7


def test_a_run_refuses_all_of_them_in_one_error(root: Path) -> None:
    (root / FILE).write_text(BAD["negative count"].text + BAD["release label"].text)
    with pytest.raises(UsageError, match="emr_cluster_core_count is -1") as error:
        resolve.run_settings(Question(root=root, environment="local", pipeline="daily"))
    assert [line for line in error.value.details if "'7.10'" in line]


@pytest.mark.parametrize("name", ["click-stream", "klickströme", "Clickstream", "launch", "nodes", "local"])
def test_a_pipeline_has_a_name_that_ansible_and_aws_take(root: Path, name: str) -> None:
    (root / "inventory/local/hosts.yml").write_text(HOSTS.replace("daily", name))
    with pytest.raises(UsageError) as error:
        inventories.check_pipeline(root, "local", name)
    assert "inventory/local/hosts.yml: the pipeline name" in error.value.message
    assert error.value.fix


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            "daily_inptu=x",
            "-e: daily_inptu is a variable that no file sets or uses (did you mean daily_input?)",
        ),
        ("emr_node_os_packages=jq", "-e: emr_node_os_packages is 'jq': expected a list"),
        ("daily_secret=hunter2", "-e: daily_secret holds a secret in plain text"),
        ('{"daily_input": 1, "daily_input": 2}', "daily_input is set twice"),
    ],
)
def test_a_bad_extra_variable_is_refused(root: Path, extra: str, words: str) -> None:
    (root / "more.yml").write_text("")
    found, _ = examined(root, "daily_input: x\ndaily_secret: ''\n", extra)
    assert any(words in one.message.replace("a key", "daily_input") for one in found), found
    assert all("hunter2" not in one.message for one in found)


@pytest.mark.parametrize(
    ("lock", "wanted", "words"),
    [
        ("six==1.17.0\n", "", "requirements/x.txt, line 1: six has no SHA-256 hash"),
        ("six>=1\n", "", "line 1: 'six>=1' is not name==version"),
        (
            f"six==1.17.0 --hash=sha256:{'0' * 64}\n",
            "six\nnumpy>=2\n",
            "does not lock numpy, which x.in, line 2",
        ),
    ],
)
def test_a_lock_file_without_hashes_or_not_complete_is_refused(
    root: Path, lock: str, wanted: str, words: str
) -> None:
    (root / "requirements").mkdir()
    (root / "requirements/x.txt").write_text(lock)
    if wanted:
        (root / "requirements/x.in").write_text(wanted)
    found, _ = examined(root, "emr_node_python_requirements: requirements/x.txt\n")
    assert any(words in one.message for one in found), found
