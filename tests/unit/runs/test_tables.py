"""Tables of steps: registered when the step has ended well, twice without a change, never over others'."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from fakes import FakeAws, VirtualClock
from run_world import World

from kiln.aws.effects import CatalogTable
from kiln.errors import StepFailedError, ThrottledError, UsageError, caught
from kiln.exit_codes import ExitCode
from kiln.runs import tables
from kiln.settings import step_jars, typed
from kiln.settings.model import StepSettings

ROW = {
    "database": "kiln_local",
    "name": "clicks",
    "path": "s3://data/daily/clicks/date=2026-11-20/",
    "columns": {"time": "timestamp", "Page": "string"},
}


def step(*rows: dict[str, Any], name: str = "check") -> StepSettings:
    given = [{"name": name, "jar": "command-runner.jar", "args": ["true"], "tables": list(rows)}]
    settings = typed.convert(given, tuple[StepSettings, ...], label="f.yml", key="steps")
    (found,) = step_jars.resolved(settings, step_jars.Terms("us-east-1"), lambda _place: "f.yml")
    return found


def world(*steps: StepSettings, aws: FakeAws | None = None, **more: Any) -> World:
    return World(steps=steps or (step(ROW),), aws=aws, **more)


def registered(aws: FakeAws) -> CatalogTable:
    return aws.tables["kiln_local", "clicks"]


def test_a_run_makes_database_table_and_partition_after_its_step() -> None:
    here = world()
    result = here.run()
    assert result.exit_code == 0, result.message
    assert here.aws.databases == {"kiln_local"}
    assert registered(here.aws) == CatalogTable(
        database="kiln_local",
        name="clicks",
        location="s3://data/daily/clicks/",
        columns=(("time", "timestamp"), ("page", "string")),
        partition_keys=(("date", "string"),),
        is_managed=True,
    )
    (partition,) = here.aws.partitions.values()
    assert (partition.values, partition.location) == (("2026-11-20",), ROW["path"])
    assert [one.name for one in result.phases][-2:] == ["tables", "terminate"]
    assert here.aws.calls.index("AddJobFlowSteps") < here.aws.calls.index("CreateTable")


def test_a_failed_step_registers_nothing() -> None:
    here = world()
    here.aws.step_outcomes["check"] = "FAILED"
    assert here.run().exit_code == ExitCode.STEP_FAILED
    assert not [call for call in here.aws.calls if call in {"CreateTable", "GetTable", "CreateDatabase"}]


def test_another_day_adds_its_partition_and_the_same_day_changes_nothing() -> None:
    aws = FakeAws(VirtualClock())
    world(aws=aws).run()
    other = step(ROW | {"path": "s3://data/daily/clicks/date=2026-11-21/"})
    assert tables.register(aws, [other], lambda _: None)
    assert {values for _, _, values in aws.partitions} == {("2026-11-20",), ("2026-11-21",)}
    before = len(aws.calls)
    assert not tables.register(aws, [other], lambda _: None)
    assert aws.calls[before:] == ["GetDatabase", "GetTable", "GetPartition"]


SURFACES = {
    "database": "kiln_local",
    "name": "surfaces",
    "path": "s3://data/surfaces/",
    "columns": {"x": "double"},
}


def filled(*folders: str) -> FakeAws:
    aws = FakeAws(VirtualClock())
    for folder in folders:
        aws.put_object(f"s3://data/surfaces/{folder}part.parquet", b"1", replaces=None)
    return aws


def test_each_folder_below_the_table_becomes_a_partition_once() -> None:
    aws = filled("neurons=5/", "neurons=30/")
    wanted = step(SURFACES | {"partitions": {"neurons": "int"}})
    said: list[str] = []
    assert tables.register(aws, [wanted], said.append)
    assert aws.tables["kiln_local", "surfaces"].partition_keys == (("neurons", "int"),)
    assert {one.values: one.location for one in aws.partitions.values()} == {
        ("5",): "s3://data/surfaces/neurons=5/",
        ("30",): "s3://data/surfaces/neurons=30/",
    }
    assert said[-2:] == [f"table kiln_local.surfaces: partition {neurons} made" for neurons in (30, 5)]
    before = len(aws.partitions)
    assert not tables.register(aws, [wanted], said.append)
    aws.put_object("s3://data/surfaces/neurons=60/part.parquet", b"1", replaces=None)
    assert tables.register(aws, [wanted], said.append)
    assert len(aws.partitions) == before + 1


def test_keys_of_the_path_come_before_those_of_the_folders_below_it() -> None:
    aws = filled("date=2026-11-20/hour=05/", "date=2026-11-21/hour=05/")
    path = "s3://data/surfaces/date=2026-11-20/"
    tables.register(aws, [step(SURFACES | {"path": path, "partitions": {"hour": "int"}})], lambda _: None)
    assert aws.tables["kiln_local", "surfaces"].partition_keys == (("date", "string"), ("hour", "int"))
    assert [one.values for one in aws.partitions.values()] == [("2026-11-20", "05")]


@pytest.mark.parametrize(
    "folder", ["", "other/", "size=5/", "neurons=5/more=1/", "more/neurons=5/", "neurons=/"]
)
def test_files_in_other_folders_are_of_no_partition(folder: str) -> None:
    aws = filled(folder)
    tables.register(aws, [step(SURFACES | {"partitions": {"neurons": "int"}})], lambda _: None)
    assert not aws.partitions


def test_a_folder_that_holds_a_mark_only_is_no_partition() -> None:
    aws = FakeAws(VirtualClock())
    aws.put_object("s3://data/surfaces/neurons=5/_SUCCESS", b"", replaces=None)
    tables.register(aws, [step(SURFACES | {"partitions": {"neurons": "int"}})], lambda _: None)
    assert not aws.partitions


def test_a_run_that_is_complete_registers_what_an_earlier_command_could_not() -> None:
    here = world()
    here.aws.before_call = lambda at: here.aws.faults.update({at: "refused"}) if registers(here) else None
    failed = here.run()
    assert failed.exit_code == ExitCode.STEP_FAILED
    assert failed.message.startswith("table kiln_local.clicks was not registered: ")
    assert failed.phase == "tables"
    assert not here.aws.live()
    here.aws.before_call = lambda _: None
    here.aws.faults.clear()
    here.resumes = True
    steps = [msgspec.structs.replace(one, durable=True) for one in here.steps]
    here.steps = steps
    assert here.run().exit_code == 0
    assert registered(here.aws).is_managed


def registers(here: World) -> bool:
    return here.aws.calls[-1:] == ["GetDatabase"]


def test_columns_follow_the_settings() -> None:
    aws = FakeAws(VirtualClock())
    world(aws=aws).run()
    wider = step(ROW | {"columns": {"time": "timestamp", "page": "string", "user": "string"}})
    said: list[str] = []
    assert tables.register(aws, [wider], said.append)
    assert registered(aws).columns[-1] == ("user", "string")
    assert said == [
        "table kiln_local.clicks: its columns are now those of the settings",
        "table kiln_local.clicks: partition 2026-11-20 changed",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_managed": False}, "was not made by Kiln"),
        (
            {"location": "s3://other/"},
            "it is for s3://other/, and the step's files are at s3://data/daily/clicks/",
        ),
        (
            {"partition_keys": (("date", "int"),)},
            "it is partitioned by date int, and the step's files by date string",
        ),
        ({"partition_keys": ()}, "it is partitioned by nothing"),
    ],
)
def test_a_table_that_is_another_one_is_left_alone(change: dict[str, Any], words: str) -> None:
    aws = FakeAws(VirtualClock())
    world(aws=aws).run()
    there = msgspec.structs.replace(registered(aws), **change)
    aws.tables["kiln_local", "clicks"] = there
    error = caught(lambda: tables.register(aws, [step(ROW)], lambda _: None))
    assert isinstance(error, StepFailedError)
    assert words in error.message
    assert error.fix
    assert registered(aws) == there


def test_throttling_stays_what_it_is() -> None:
    aws = FakeAws(VirtualClock())
    aws.every_call = "throttled"
    with pytest.raises(ThrottledError):
        tables.register(aws, [step(ROW)], lambda _: None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"path": "s3://data"}, None),
        ({"path": "s3://date=2026-11-20/"}, "names no folder of a bucket"),
        ({"path": "s3://data/x/Date=1/"}, "its partition is not of the form name=value"),
        ({"path": "s3://data/x/date=1/part/"}, "its partition is not of the form name=value"),
        ({"columns": {"a": "string", "A": "int"}}, "has the column a twice"),
        ({"columns": {"date": "string"}}, "has the column date twice"),
        ({"columns": {}}, "columns"),
        ({"columns": {"a": "long"}}, "a type such as"),
        ({"columns": {"a b": "int"}}, "the name of a column"),
        ({"database": "kiln-local"}, "small letters, digits and _"),
        ({"name": "Clicks"}, "small letters, digits and _"),
    ],
)
def test_what_the_catalog_cannot_hold_is_refused_before_a_launch(
    row: dict[str, Any], words: str | None
) -> None:
    error = caught(lambda: step(ROW | row))
    if words is None:
        assert error is None
        return
    assert isinstance(error, UsageError)
    assert words in error.message
