"""The job of daily_transform and the check after it, in a real Spark on small files: every outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import local_spark
import pytest

from kiln.settings import step_jars, typed
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_spark import Ended

pytestmark = pytest.mark.processes
CHECKOUT = Path(__file__).resolve().parents[3]
JOB = CHECKOUT / "examples/daily_transform/transform.py"
CHECK = CHECKOUT / "src/kiln/step_programs/check_data.py"
COLUMNS = {"time": "timestamp", "user": "string", "page": "string", "seconds": "double"}
HEADER = "time,user,page,seconds"
ROW = "2026-11-{day}T10:00:00,u{number},/home,1.5"


def rows(day: str, count: int, first: int = 0) -> list[str]:
    return [ROW.format(day=day, number=number) for number in range(first, first + count)]


class Days:
    """A folder of days, and the calls of programs about them, all of which one Spark makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[Path, Sequence[str]]] = []
        self.names: list[str] = []

    def write(self, day: str, lines: list[str], name: str = "part.csv", header: str = HEADER) -> None:
        file = self.folder / f"source/2026-11-{day}" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*([header] if header else []), *lines]) + "\n")

    def transform(self, name: str, day: str, *more: str, target: str = "daily") -> None:
        words = [
            *("--source", f"file://{self.folder}/source/2026-11-{day}/"),
            *("--target", f"file://{self.folder}/{target}"),
            *("--date", f"2026-11-{day}", "--columns", json.dumps(COLUMNS), *more),
        ]
        self._add(name, JOB, words)

    def check(self, name: str, day: str, target: str = "daily", **fields: Any) -> None:
        path = f"file://{self.folder}/{target}/date=2026-11-{day}/"
        row = {"name": "check", "check_data": {"path": path, **fields}}
        settings = typed.convert([row], tuple[StepSettings, ...], label="f.yml", key="steps")
        (step,) = step_jars.resolved(settings, step_jars.Terms("us-east-1"), lambda place: place)
        self._add(name, CHECK, step.args[-1:])

    def _add(self, name: str, program: Path, words: Any) -> None:
        self.names.append(name)
        self.calls.append((program, words))

    def run(self) -> dict[str, Ended]:
        return dict(zip(self.names, local_spark.run(self.calls, self.folder), strict=True))


def source(folder: Path, day: str) -> dict[str, Any]:
    return {"source": f"file://{folder}/source/2026-11-{day}/"}


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*.parquet")}


def without(found: dict[str, bytes], day: str) -> dict[str, bytes]:
    return {name: body for name, body in found.items() if day not in name}


@pytest.fixture(scope="module", autouse=True)
def _spark() -> None:
    local_spark.spark_home()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("days")


@pytest.fixture(scope="module")
def ended(folder: Path) -> dict[str, Ended]:
    days = Days(folder)
    for day in ("01", "02", "03"):
        days.write(day, rows(day, 100))
        days.transform(f"day {day}", day)
    days.check("good", "03", columns=COLUMNS, null_share={"*": 0}, days_before=2, **source(folder, "03"))
    days.write("04", [*rows("04", 98), "yesterday,u,/x,1", "2026-11-04T10:00:00,u,/x,1,more"])
    days.transform("bad rows", "04")
    days.transform("some bad rows", "04", "--most-bad-rows", "0.05")
    aside = {"set_aside": f"file://{folder}/daily/_bad_rows/date=2026-11-04/"}
    days.check("some set aside", "04", **aside, **source(folder, "04"))
    days.check("rows lost", "04", **source(folder, "04"))
    days.transform("missing", "05")
    days.write("06", [])
    days.transform("empty", "06")
    days.write("07", ["2026-11-07T10:00:00,u,/x,1,de"], header=f"{HEADER},country")
    days.transform("new column", "07")
    days.write("08", ["2026-11-08T10:00:00,/x,u,1"], header="time,page,user,seconds")
    days.transform("other order", "08")
    days.write("09", ["2026-11-09T10:00:00,,/x,1", "2026-11-09T10:00:00,u,/x,"])
    days.transform("nulls", "09", "--compression", "snappy")
    days.check("too many nulls", "09", null_share={"user": 0.4, "*": 0.5})
    days.check("few rows", "09", days_before=9, least_rows=3)
    days.check(
        "drift", "09", columns={"time": "date", "user": "string", "page": "string", "country": "string"}
    )
    days.check("no data", "05")
    days.check("report", "03", report="s3://reports")
    # Where the test can read it: the settings take s3:// only.
    program, words = days.calls[-1]
    days.calls[-1] = (program, [words[0].replace("s3://reports", f"file://{folder}/reports")])
    return days.run()


def test_a_day_becomes_a_partition_of_compressed_parquet(ended: dict[str, Ended], folder: Path) -> None:
    assert ended["day 01"].code == 0, ended["day 01"].err
    assert "100 rows of 2026-11-01 written, 0 bad rows set aside" in ended["day 01"].out
    assert [one.name for one in (folder / "daily/date=2026-11-01").glob("*.zstd.parquet")]
    assert ended["nulls"].code == 0
    assert [one.name for one in (folder / "daily/date=2026-11-09").glob("*.snappy.parquet")]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("bad rows", 5, "2 of 100 rows of {source}04/ do not fit the columns (at most 0.00% may); one of"),
        ("missing", 4, "no data of 2026-11-05 at {source}05/: [PATH_NOT_FOUND]"),
        ("empty", 4, "no data of 2026-11-06 at {source}06/: its files have no rows"),
        ("new column", 6, "part.csv are time,user,page,seconds,country; expected time,user,page,seconds"),
        ("other order", 6, "part.csv are time,page,user,seconds; expected time,user,page,seconds"),
    ],
)
def test_data_that_cannot_be_used_writes_nothing_and_has_an_exit_code_and_a_line_of_its_own(
    ended: dict[str, Ended], folder: Path, name: str, code: int, words: str
) -> None:
    assert ended[name].code == code, ended[name].err
    (line,) = ended[name].err.splitlines()
    assert line.startswith("daily_transform: ")
    assert words.format(source=f"file://{folder}/source/2026-11-") in line
    if name != "bad rows":
        assert not (folder / f"daily/date={line.partition('2026-11-')[2][:2]}").exists()


def test_bad_rows_within_the_limit_are_set_aside_as_they_are(ended: dict[str, Ended], folder: Path) -> None:
    assert ended["some bad rows"].code == 0, ended["some bad rows"].err
    kept = "".join(one.read_text() for one in (folder / "daily/_bad_rows/date=2026-11-04").glob("*.txt"))
    assert sorted(kept.splitlines()) == ["2026-11-04T10:00:00,u,/x,1,more", "yesterday,u,/x,1"]


@pytest.mark.parametrize("name", ["good", "some set aside", "report"])
def test_good_data_passes_and_its_report_is_one_line(ended: dict[str, Ended], name: str) -> None:
    assert ended[name].code == 0, ended[name].err
    report = json.loads(ended[name].out)
    assert report["problems"] == []
    assert report["rows"] == (98 if name == "some set aside" else 100)


def test_the_report_is_also_kept_where_the_step_asks_for_it(ended: dict[str, Ended], folder: Path) -> None:
    kept = json.loads((folder / "reports/metrics.json").read_text())
    assert kept == json.loads(ended["report"].out)
    assert kept["columns"] == COLUMNS


def test_the_days_before_are_those_that_exist(ended: dict[str, Ended]) -> None:
    assert json.loads(ended["good"].out)["earlier_rows"] == {"2026-11-02": 100, "2026-11-01": 100}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("rows lost", 65, "fails: 98 rows and 0 set aside, but 100 in file:"),
        ("too many nulls", 65, "fails: column user is null in 50 % of 2 rows, at most 40 % allowed"),
        (
            "few rows",
            65,
            "fails: 2 rows, at least 3 expected; 2 rows, the mean of 4 earlier days is 100: changed",
        ),
        (
            "drift",
            65,
            (
                "fails: column country is missing; column seconds is not declared; "
                "column time is timestamp, declared as date"
            ),
        ),
        ("no data", 66, "fails: there are no Parquet files"),
    ],
)
def test_data_that_fails_a_check_is_named_in_one_line(
    ended: dict[str, Ended], name: str, code: int, words: str
) -> None:
    assert ended[name].code == code, ended[name].err
    (line,) = ended[name].err.splitlines()
    assert line.startswith("check_data: file:")
    assert words in line


def test_ten_days_a_rerun_and_late_files_leave_the_other_days_alone(tmp_path: Path) -> None:
    days = Days(tmp_path)
    numbers = [f"{number:02}" for number in range(11, 21)]
    for day in numbers:
        days.write(day, rows(day, 10))
        days.transform(day, day)
    assert [one.code for one in days.run().values()] == [0] * 10
    before = files(tmp_path / "daily")
    assert {one.partition("/")[0] for one in before} == {f"date=2026-11-{day}" for day in numbers}

    days.calls.clear()
    days.names.clear()
    days.write("15", rows("15", 5, first=10), name="late.csv")
    days.transform("rerun", "15")
    days.check("late", "15", least_rows=15, most_rows=15, **source(tmp_path, "15"))
    again = days.run()
    assert [one.code for one in again.values()] == [0, 0], again
    after = files(tmp_path / "daily")
    assert without(after, "2026-11-15") == without(before, "2026-11-15")
    assert after != before
