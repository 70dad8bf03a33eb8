"""mlp_study on a real cluster: ten perceptrons, their tables, a second run, and a cluster that stays."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
import xo
from local_world import HANG_SECONDS

if TYPE_CHECKING:
    from local_world import Finished, World

# A run may take as long as its own deadline, half an hour, on a machine with other work.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(4000)]
DATA, DATABASE = "kiln-local-data", "kiln_local"
SIZES = [5, 7, 10, 20, 30, 60, 100, 200, 400, 600]
SEEDS = [1, 2, 3]
GRID = 61 * 61
SMALL = {"mlp_study_seeds": [4], "mlp_study_rows": 300, "mlp_study_test_rows": 300, "mlp_study_iterations": 5}


def study(world: World, *more: str, **variables: Any) -> Finished:
    run_id = f"study-{uuid4().hex[:8]}"
    given = ("-e", json.dumps(variables)) if variables else ()
    words = ("run", "mlp_study", "--env", "local", "--run-id", run_id)
    # Kiln's own deadline for a run comes first.
    return world.kiln(*words, *given, *more, timeout=2 * HANG_SECONDS + 60)


def rows(world: World, table: str) -> list[dict[str, Any]]:
    """Return the rows of all Parquet files of a table, each with the address of its file."""
    return [
        {**row, "file": key}
        for key, body in world.objects(DATA).items()
        if key.startswith(f"mlp_study/{table}/") and key.endswith(".parquet")
        for row in pq.read_table(io.BytesIO(body)).to_pylist()
    ]


def partitions(world: World) -> list[str]:
    pages = world.session.client("glue").get_paginator("get_partitions")
    asked = pages.paginate(DatabaseName=DATABASE, TableName="mlp_surfaces")
    return sorted(one["Values"][0] for page in asked for one in page["Partitions"])


def ask(world: World, query: str) -> list[list[str]]:
    """Return the rows that Athena answers, as text."""
    athena = world.session.client("athena")
    started = athena.start_query_execution(
        QueryString=query,
        QueryExecutionContext={"Database": DATABASE},
        ResultConfiguration={"OutputLocation": f"s3://{DATA}/athena/"},
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        if status["State"] not in {"QUEUED", "RUNNING"}:
            break
        time.sleep(0.2)
    assert status["State"] == "SUCCEEDED", status
    answer = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    return [[cell["VarCharValue"] for cell in row["Data"]] for row in answer[1:]]


def test_ten_perceptrons_are_trained_and_their_tables_are_there(world: World) -> None:
    done = study(world)
    assert done.code == 0, done.said
    assert done.result["cluster_state"] == "TERMINATED"
    trained = {(row["neurons"], row["seed"]): row for row in rows(world, "trainings")}
    assert sorted(trained) == [(size, seed) for size in SIZES for seed in SEEDS]
    for row in trained.values():
        assert 0.5 < row["test_accuracy"] < 1
        # Three nodes at 0.24 an hour, two trainings at once.
        assert row["usd"] == pytest.approx(row["seconds"] * 0.24 * 3 / 2 / 3600)
    # Too few neurons draw no X and no O; the study's point.
    mean = {size: sum(trained[size, seed]["test_accuracy"] for seed in SEEDS) / len(SEEDS) for size in SIZES}
    assert mean[5] < mean[10] < mean[30]
    (figures,) = (one["metrics"]["metrics.json"] for one in done.result["outputs"])
    assert figures["knee_neurons"] in SIZES
    assert figures["test_accuracy"]["30"]["mean"] == pytest.approx(mean[30], abs=1e-5)

    known = partitions(world)
    # Those of other studies stay, without rows.
    assert len(known) == len(set(known))
    assert set(map(str, SIZES)) <= set(known)
    asked = ask(world, "select neurons, count(*) from mlp_surfaces group by neurons order by neurons")
    assert [[int(cell) for cell in row] for row in asked] == [[size, GRID] for size in SIZES]
    assert dict(asked_pairs(ask(world, "select label, count(*) from mlp_xo group by label"))) == {
        label: sum(point.label == label for point in xo.points(5000, 13)) for label in xo.LABELS
    }
    best = ask(world, "select max(test_accuracy), count(*) from mlp_trainings where neurons = 30")
    assert float(best[0][0]) == max(trained[30, seed]["test_accuracy"] for seed in SEEDS)


def asked_pairs(found: list[list[str]]) -> list[tuple[str, int]]:
    return [(name, int(count)) for name, count in found]


def test_a_second_run_replaces_what_the_first_has_left_and_its_cluster_can_stay(world: World) -> None:
    sizes = {"mlp_study_neurons": [3, 4], **SMALL}
    first = study(world, **sizes)
    assert first.code == 0, first.said
    before = {table: rows(world, table) for table in ("xo", "trainings", "surfaces")}
    assert {table: len(found) for table, found in before.items()} == {
        "xo": 300,
        "trainings": 2,
        "surfaces": 2 * GRID,
    }
    known = partitions(world)
    second = study(world, "--hold", "10m", **sizes)
    assert second.code == 0, second.said
    assert (second.result["cluster_state"], bool(second.result["held_until"])) == ("WAITING", True)
    assert partitions(world) == known
    for table, found in before.items():
        again = rows(world, table)
        assert len(again) == len(found)
        assert {one["file"] for one in again}.isdisjoint(one["file"] for one in found)
    run_id = second.result["run_id"]
    ended = world.kiln("run", "mlp_study", "terminate", "--env", "local", "--run-id", run_id)
    assert (ended.code, ended.result["cluster_state"]) == (0, "TERMINATED")
