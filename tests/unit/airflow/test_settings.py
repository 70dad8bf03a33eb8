"""Settings of DAGs as Airflow's processes read them, and as Kiln's typed model does: both agree."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hostile import documents, many
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import UsageError
from kiln.settings import dag as model
from kiln.settings import typed
from kiln_airflow import checks, settings
from kiln_airflow.checks import SettingsError

CHECKOUT = Path(__file__).resolve().parents[3]
# A value that Kiln's model takes, and one that it does not, for each key.
VALUES: dict[str, tuple[Any, Any]] = {
    "environment": ("stage", "Stage"),
    "schedule": ("0 5 * * *", "{{ x }}"),
    "schedule_assets": (["s3://raw/clicks", "x-team://x"], ["clicks"]),
    "assets": (["s3://daily/clicks"], ["s3://daily/{date}"]),
    "start_date": ("2026-02-01", "2026-2-1"),
    "timezone": ("Europe/Berlin", "a\nb"),
    "catchup": (True, "yes"),
    "max_active_runs": (2, 0),
    "pool": ("emr", "`y`"),
    "retries": (0, -1),
    "retry_delay_seconds": (1, 0),
    "terminate_retries": (100, 101),
    "task_timeout_seconds": (60, "60"),
    "wait_for_previous": ("succeeded", "yes"),
    "wait_for": ([{"dag": "x", "task": "y.z", "hours_before": 24}], [{"dga": "x"}]),
    "wait_timeout_seconds": (1, True),
    "if_running": ("wait", "attach"),
    "if_no_cluster": ("fail", "wait"),
    "if_complete": ("skip", "fail"),
    "terminate": (False, 0),
    "deferrable": (True, None),
    "poll_interval_seconds": (5, 0.5),
    "owner": ("ops", "{%"),
    "tags": (["a", "b"], "a"),
}


def read(root: Path, dag: Any, steps: Any = ()) -> settings.Pipeline | None:
    (root / "group_vars").mkdir(exist_ok=True)
    variables = {"dag": dag, "steps": list(steps) if isinstance(steps, tuple) else steps}
    (root / "group_vars/p.yml").write_text(yaml.safe_dump(variables))
    return settings.read(root, "p", {"stage": ["p"], "prod": ["p"]})


def by_kiln(dag: Any) -> model.Dag:
    return typed.convert(dag, model.Dag, label="group_vars/p.yml", key="dag")


def test_both_know_the_same_keys_and_defaults() -> None:
    kiln = {one.name: one.default for one in msgspec.structs.fields(model.Dag)}
    own = {one.name: one.default for one in fields(settings.DagSettings)}
    assert list(kiln) == list(own) == list(checks.DAG) == list(VALUES)
    for name in kiln.keys() - {"environment"}:
        assert msgspec.to_builtins(kiln[name]) == msgspec.to_builtins(own[name]), name
    rows = {one.name for one in msgspec.structs.fields(model.WaitFor)}
    assert rows == checks.WAIT_FOR_DAG.keys() | checks.WAIT_FOR_OBJECT.keys()


@pytest.mark.parametrize("key", VALUES)
def test_both_take_and_refuse_the_same_values(tmp_path: Path, key: str) -> None:
    good, bad = VALUES[key]
    found = read(tmp_path, {"environment": "prod", key: good})
    kiln = by_kiln({"environment": "prod", key: good})
    assert found is not None
    assert _plain(getattr(found.dag, key)) == _plain(getattr(kiln, key))
    with pytest.raises(UsageError, match=f"dag.{key}|dag has an unknown key|wait_for"):
        by_kiln({"environment": "prod", key: bad})
    with pytest.raises(SettingsError, match=f"group_vars/p.yml: dag.{key}.* expected |unknown key 'dga'"):
        read(tmp_path, {"environment": "prod", key: bad})


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and value and isinstance(value[0], model.WaitFor):
        given = {"dag": "x", "task": "y.z", "hours_before": 24}
        assert {name: getattr(value[0], name) for name in given} == given
        return [given]
    return list(value) if isinstance(value, tuple) else msgspec.to_builtins(value)


@pytest.mark.parametrize(
    ("dag", "message"),
    [
        ("x", "dag is 'x': expected a mapping"),
        ({}, "dag has no environment"),
        ({"environment": "local"}, "dag.environment is local, whose inventory does not list p"),
        ({"environment": "prod", "retrys": 1}, "dag has an unknown key 'retrys'"),
        ({"environment": "prod", "wait_for": [{}]}, r"dag.wait_for\[0\] names nothing"),
        ({"environment": "prod", "timezone": "Moon/Base"}, "dag.timezone is 'Moon/Base'"),
        ({"environment": "prod", "wait_for": [{"object": "s3://b/{{ x }}"}]}, r"dag.wait_for\[0\].object is"),
    ],
)
def test_an_error_names_file_key_and_value(tmp_path: Path, dag: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^group_vars/p.yml: {message}") as caught:
        read(tmp_path, dag)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("{{ x }}", "steps is '{{ x }}': a DAG needs a list"),
        ([1], r"steps\[0\] is 1"),
        ([{}], r"steps\[0\] is {}|steps\[0\] has no name"),
        ([{"name": "{{ x }}"}], r"steps\[0\].name is"),
        ([{"name": "a"}, {"name": "a"}], "the step name a is used twice"),
        ([{"name": "launch"}], "the step name launch"),
        ([{"name": "a", "needs": ["b"]}], "step a needs b"),
    ],
)
def test_steps_that_make_no_tasks_are_one_clear_error(tmp_path: Path, steps: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, {"environment": "prod"}, steps)


def test_a_file_without_the_key_has_no_dag(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/p.yml").write_text("steps: '{{ x }}'\nsecret: !vault |\n  abc\n")
    assert settings.read(tmp_path, "p", {}) is None


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/p.yml").write_text("dag:\n  a: [\n")
    with pytest.raises(SettingsError, match=r"group_vars/p\.yml, line 3 is not valid YAML"):
        settings.read(tmp_path, "p", {})


@many
@given(documents(), st.sampled_from(list(VALUES)))
def test_whatever_stands_in_a_key_is_a_value_or_one_clear_error(value: Any, key: str) -> None:
    with contextlib.suppress(SettingsError):
        settings._dag({"environment": "prod", key: value}, "f.yml")
    with contextlib.suppress(SettingsError):
        settings._dag(value, "f.yml")
    with contextlib.suppress(SettingsError):
        settings._steps("f.yml", value)


def test_the_pipelines_of_this_checkout_have_sound_dags() -> None:
    listed = settings.environments(CHECKOUT)
    found = [settings.read(CHECKOUT, name, listed) for name in settings.names(CHECKOUT)]
    assert [one.name for one in found if one] == ["daily_transform", "model_building"]
