"""The pipeline mlp_study: right in each environment, a step a size, and a price that adds up."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kiln.settings import resolve
from kiln.settings.ansible_values import Question

if TYPE_CHECKING:
    from kiln.settings.model import ClusterShape, Driver

CHECKOUT = Path(__file__).resolve().parents[3]
SIZES = [600, 400, 200, 100, 60, 30, 20, 10, 7, 5]
# What stage and prod leave to the team.
TO_SET = (
    "kiln_state_uri=s3://state/kiln",
    "emr_cluster_log_uri=s3://logs/",
    "emr_cluster_key_pair=key",
    "emr_cluster_subnet_id=subnet-0123456789abcdef0",
)
# Each asks Ansible.
pytestmark = pytest.mark.processes


def settings(environment: str, *extra: str) -> tuple[Driver, ClusterShape]:
    return resolve.run_settings(
        Question(
            root=CHECKOUT,
            environment=environment,
            pipeline="mlp_study",
            extra=(*TO_SET, *extra),
            run_id="r1",
            date="2026-11-20",
        )
    )


@pytest.mark.parametrize("environment", ["local", "stage", "prod"])
def test_each_size_is_a_step_between_the_data_and_the_summary(environment: str) -> None:
    driver, _ = settings(environment)
    names = [one.name for one in driver.steps]
    trainings = [f"train_{size}" for size in SIZES]
    assert names == ["data", *trainings, "summary", "clear", "export"]
    needs = {one.name: one.needs for one in driver.steps}
    assert {needs[name] for name in trainings} == {("data",)}
    assert sorted(needs["summary"] or ()) == sorted(trainings)
    tables = [table for step in driver.steps for table in step.tables]
    assert {one.name: one.path for one in tables} == {
        f"mlp_{name}": f"s3://kiln-{environment}-data/mlp_study/{name}/"
        for name in ("xo", "trainings", "surfaces")
    }
    assert {one.database for one in tables} == {f"kiln_{environment}"}


def test_the_steps_that_run_side_by_side_share_the_price_of_the_cluster() -> None:
    nodes = ("mlp_study_node_usd_per_hour=0.5", "emr_cluster_core_count=3")
    driver, shape = settings("stage", *nodes, "emr_cluster_step_concurrency_level=4")
    assert shape.step_concurrency_level == 4
    # A master and three core nodes.
    assert {price_of(step.args) for step in driver.steps if step.name.startswith("train_")} == {0.5}


def price_of(words: tuple[str, ...]) -> float:
    return float(words[words.index("--usd-per-hour") + 1])


def test_another_study_of_the_same_kind_is_a_matter_of_values() -> None:
    driver, _ = settings("local", '{"mlp_study_neurons": [3, 4], "mlp_study_seeds": [8, 9]}')
    trainings = [one for one in driver.steps if one.name.startswith("train_")]
    assert [one.name for one in trainings] == ["train_4", "train_3"]
    assert all("--seeds 8,9" in shlex.join(one.args) for one in trainings)
