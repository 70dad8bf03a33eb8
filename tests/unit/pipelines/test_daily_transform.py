"""The pipeline daily_transform: short, and right in each environment that lists it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln.settings import check, inventories
from kiln_airflow import settings

CHECKOUT = Path(__file__).resolve().parents[3]
FILE = CHECKOUT / "group_vars/daily_transform.yml"
ENVIRONMENTS = ["local", "stage", "prod"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_settings_have_no_problem(environment: str) -> None:
    inventories.check_pipeline(CHECKOUT, environment, "daily_transform")
    check.check(CHECKOUT, environment, "daily_transform", [])


def test_it_has_fifteen_lines_at_most() -> None:
    assert len(FILE.read_text().splitlines()) <= 15


def test_its_dag_waits_for_the_object_of_the_day_and_catches_up() -> None:
    found = settings.read(CHECKOUT, "daily_transform", settings.environments(CHECKOUT))
    assert found is not None
    assert [one.name for one in found.steps] == ["transform", "check"]
    assert (found.dag.schedule, found.dag.catchup) == ("@daily", True)
    assert [row["object"] for row in found.dag.wait_for] == [
        "s3://kiln-{environment}-data/clicks/{date}/_SUCCESS"
    ]
    assert list(found.dag.assets) == ["data://daily"]
    assert set(found.environments) == set(ENVIRONMENTS)
