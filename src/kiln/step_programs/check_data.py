"""Check a folder of Parquet files against what is declared about it, with Spark.

Runs on the cluster without other modules of Kiln, on Python 3.9 and Spark 3.5 or later. Its one argument is a
JSON document with the fields of `CheckData` (settings/step_kinds.py). It prints the report as one line of
JSON. When the data fails a check, one line on stderr names all that is wrong, and the exit code is 65; it is
66 when there is no data (EX_DATAERR and EX_NOINPUT of sysexits.h).
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from typing import Any

BAD_DATA, NO_DATA = 65, 66
_EVERY_OTHER = "*"
_METRICS = "metrics.json"
_MOST_SHOWN = 300


class NoDataError(Exception):
    """There are no Parquet files in the folder."""


def main(argument: str) -> int:
    """Check; return the exit code."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  # only clusters have it; tests read the rest

    spec = json.loads(argument)
    spark = (
        SparkSession.builder.appName("check_data")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    try:
        measured = measure(spark, spec)
        found, code = problems(spec, measured), BAD_DATA
        report = {**measured, "problems": found}
    except NoDataError as error:
        found, code = [str(error)], NO_DATA
        report = {"path": spec["path"], "problems": found}
    print(json.dumps(report, sort_keys=True), flush=True)  # noqa: T201  # the step's log
    if spec["report"]:
        _write(spark, f"{spec['report'].rstrip('/')}/{_METRICS}", report)
    spark.stop()
    if not found:
        return 0
    print(failure_line(spec, found), file=sys.stderr, flush=True)  # noqa: T201
    return code


def failure_line(spec: dict[str, Any], found: list[str]) -> str:
    """Return the line that kiln.diagnosis knows (signs.py, `data_check`)."""
    return f"check_data: {shown(spec['path'])} fails: {'; '.join(found)}"


def measure(spark: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what the data is like. Raises NoDataError."""
    frame = _parquet(spark, spec["path"])
    if frame is None:
        raise NoDataError("there are no Parquet files")
    columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    first = frame.selectExpr("count(*)", *(f"count({_quoted(name)})" for name in columns)).first()
    rows, *filled = list(first)
    measured = {
        "path": spec["path"],
        "rows": rows,
        "columns": columns,
        "nulls": {name: rows - count for name, count in zip(columns, filled)},  # Python 3.9
        "earlier_rows": _earlier_rows(spark, spec["path"], spec["days_before"]),
    }
    if spec["source"]:
        reader = spark.read.format(spec["source_format"]).options(**spec["source_options"])
        measured["source_rows"] = reader.load(spec["source"]).count()
        measured["set_aside_rows"] = _lines(spark, spec["set_aside"]) if spec["set_aside"] else 0
    return measured


def problems(spec: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """Return what is wrong with the data, a text each."""
    return [
        *_of_columns(spec["columns"], measured["columns"]),
        *_of_nulls(spec["null_share"], measured),
        *_of_rows(spec, measured),
        *_of_source(spec["source"], measured),
    ]


def _of_columns(declared: dict[str, str], found: dict[str, str]) -> list[str]:
    if not declared:
        return []
    return [
        *(f"column {shown(name)} is missing" for name in declared if name not in found),
        *(f"column {shown(name)} is not declared" for name in found if name not in declared),
        *(
            f"column {shown(name)} is {shown(found[name])}, declared as {kind}"
            for name, kind in declared.items()
            if name in found and found[name] != kind
        ),
    ]


def _of_nulls(limits: dict[str, float], measured: dict[str, Any]) -> list[str]:
    rows, nulls = measured["rows"], measured["nulls"]
    named = [name for name in limits if name != _EVERY_OTHER]
    wrong = [f"column {shown(name)} of null_share is missing" for name in named if name not in nulls]
    for name, count in nulls.items():
        most = limits.get(name, limits.get(_EVERY_OTHER))
        if most is not None and rows and count / rows > most:
            wrong.append(
                f"column {shown(name)} is null in {percent(count / rows)} of {rows} rows, "
                f"at most {percent(most)} allowed"
            )
    return wrong


def _of_rows(spec: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    rows, wrong = measured["rows"], []
    if rows < spec["least_rows"]:
        wrong.append(f"{rows} rows, at least {spec['least_rows']} expected")
    if spec["most_rows"] is not None and rows > spec["most_rows"]:
        wrong.append(f"{rows} rows, at most {spec['most_rows']} expected")
    earlier = list(measured["earlier_rows"].values())
    mean = sum(earlier) / len(earlier) if earlier else 0
    if mean and abs(rows - mean) / mean > spec["row_change"]:
        wrong.append(
            f"{rows} rows, the mean of {len(earlier)} earlier days is {mean:.0f}: "
            f"changed by {percent(abs(rows - mean) / mean)}, at most {percent(spec['row_change'])} allowed"
        )
    return wrong


def _of_source(source: str, measured: dict[str, Any]) -> list[str]:
    if not source or measured["source_rows"] == measured["rows"] + measured["set_aside_rows"]:
        return []
    found = f"{measured['rows']} rows and {measured['set_aside_rows']} set aside"
    return [f"{found}, but {measured['source_rows']} in {shown(source)}"]


def percent(share: float) -> str:
    """Return a share for a message."""
    return f"{share * 100:.4g} %"


def shown(text: str) -> str:
    """Return a name from the data for a message of one line: in ASCII, short."""
    whole = text if text.isascii() and text.isprintable() and text else ascii(text)
    return whole if len(whole) <= _MOST_SHOWN else f"{whole[:_MOST_SHOWN]}..."


def earlier_days(path: str, count: int) -> list[str]:
    """Return the folders of the days before that of `…/name=YYYY-MM-DD`, the nearest first."""
    above, _, last = path.rstrip("/").rpartition("/")
    name, _, day = last.partition("=")
    if not count:
        return []
    first = date.fromisoformat(day)
    return [f"{above}/{name}={first - timedelta(days=days)}" for days in range(1, count + 1)]


def _earlier_rows(spark: Any, path: str, count: int) -> dict[str, int]:
    found = {}
    for folder in earlier_days(path, count):
        frame = _parquet(spark, folder)
        if frame is not None:
            found[folder.rpartition("=")[2]] = frame.count()
    return found


def _parquet(spark: Any, path: str) -> Any:
    """Return the Parquet files of a folder; None when there are none."""
    from pyspark.errors import AnalysisException  # noqa: PLC0415  # as above

    try:
        return spark.read.parquet(path)
    except AnalysisException as error:
        if any(word in str(error) for word in ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")):
            return None
        raise


def _lines(spark: Any, path: str) -> int:
    """Return how many lines the text files of a folder have; 0 when it is not there."""
    from pyspark.errors import AnalysisException  # noqa: PLC0415  # as above

    try:
        return int(spark.read.text(path).count())
    except AnalysisException as error:
        if "PATH_NOT_FOUND" in str(error):
            return 0
        raise


def _quoted(name: str) -> str:
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def _write(spark: Any, address: str, report: dict[str, Any]) -> None:
    """Write the report through Hadoop, which knows every address that Spark knows."""
    jvm = spark.sparkContext._jvm  # noqa: SLF001  # PySpark has no other way to Hadoop's FileSystem
    context = spark.sparkContext._jsc  # noqa: SLF001
    path = jvm.org.apache.hadoop.fs.Path(address)
    stream = path.getFileSystem(context.hadoopConfiguration()).create(path)
    try:
        stream.write(bytearray(json.dumps(report, indent=2, sort_keys=True).encode()))
    finally:
        stream.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
