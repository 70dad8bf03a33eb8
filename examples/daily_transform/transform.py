"""A day's CSV files to compressed Parquet: one partition, date=<date>, which a rerun replaces.

spark-submit transform.py --source s3://data/clicks/2026-11-20/ --target s3://data/daily/clicks \
  --date 2026-11-20 --columns '{"time": "timestamp", "user": "string"}'

Only `<target>/date=<date>/` and `<target>/_bad_rows/date=<date>/` are written. The latter gets the rows that
do not fit the columns, a row a line; readers of tables ignore names that begin with an underscore.
"""

import argparse
import json
import re
import sys
from datetime import date
from typing import NoReturn

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

_BAD = "_bad_row"
# What Spark's CSVHeaderChecker says about the first file whose header is another one.
_HEADER = re.compile(
    r"(?:CSV header does not conform|Number of column in CSV header).*?CSV file: (\S+)", re.DOTALL
)
_MOST_SHOWN = 200


class JobError(Exception):
    """The job cannot go on: one line says what is wrong and where; `exit_code` says what kind it is."""

    exit_code = 1


class MissingDataError(JobError):
    """There are no rows for that day."""

    exit_code = 4


class BadRowsError(JobError):
    """More rows than allowed do not fit the columns."""

    exit_code = 5


class SchemaChangeError(JobError):
    """A file has other columns than declared."""

    exit_code = 6


def read(spark: SparkSession, arguments: argparse.Namespace) -> DataFrame:
    """Open the day's files. Raises MissingDataError when there is none."""
    columns = {**arguments.columns, _BAD: "string"}
    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    try:
        # Without enforceSchema the header of every file has to be that of the columns.
        return spark.read.csv(
            arguments.source, schema=schema, header=True, enforceSchema=False, columnNameOfCorruptRecord=_BAD
        )
    except AnalysisException as error:
        reason = str(error).splitlines()[0]
        raise MissingDataError(f"no data of {arguments.date} at {arguments.source}: {reason}") from None


def counted(rows: DataFrame, arguments: argparse.Namespace) -> tuple[int, int]:
    """Return how many rows there are, and how many of them are bad. Raises SchemaChangeError."""
    try:
        return rows.count(), rows.filter(f"{_BAD} is not null").count()
    except (PySparkException, Py4JJavaError) as error:
        found = _HEADER.search(str(error))
        if found is None:
            raise
        first = rows.sparkSession.read.text(found[1]).first()
    header = ascii(first[0] if first else "")[1:-1][:_MOST_SHOWN]
    raise SchemaChangeError(f"the columns of {found[1]} are {header}; expected {','.join(arguments.columns)}")


def check_bad_rows(rows: DataFrame, total: int, bad: int, arguments: argparse.Namespace) -> None:
    """Raise BadRowsError when too many rows are bad."""
    if bad <= total * arguments.most_bad_rows:
        return
    example = rows.filter(f"{_BAD} is not null").first()
    shown = ascii(example[_BAD])[:_MOST_SHOWN] if example else ""
    raise BadRowsError(
        f"{bad} of {total} rows of {arguments.source} do not fit the columns "
        f"(at most {arguments.most_bad_rows:.2%} may); one of them: {shown}"
    )


def transform(spark: SparkSession, arguments: argparse.Namespace) -> None:
    """Replace the day's partition. Nothing is written when the data cannot be used."""
    rows = read(spark, arguments).cache()
    total, bad = counted(rows, arguments)
    if total == 0:
        raise MissingDataError(f"no data of {arguments.date} at {arguments.source}: its files have no rows")
    check_bad_rows(rows, total, bad, arguments)
    day = f"date={arguments.date}"
    bad_rows = rows.filter(f"{_BAD} is not null").select(_BAD)
    bad_rows.write.mode("overwrite").text(f"{arguments.target}/_bad_rows/{day}")
    good = rows.filter(f"{_BAD} is null").drop(_BAD)
    good.write.mode("overwrite").parquet(f"{arguments.target}/{day}", compression=arguments.compression)
    print(f"{total - bad} rows of {arguments.date} written, {bad} bad rows set aside", flush=True)


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line. Exits with code 2 when it is not usable."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", required=True, help="the day's CSV files, each with a header")
    parser.add_argument("--target", required=True, type=lambda text: text.rstrip("/"), help="above date=…")
    parser.add_argument("--date", required=True, type=date.fromisoformat, help="YYYY-MM-DD")
    parser.add_argument("--columns", required=True, type=json.loads, help="JSON: name -> type of Spark")
    parser.add_argument("--most-bad-rows", type=float, default=0.0, help="share of rows, 0 to 1")
    parser.add_argument("--compression", choices=["zstd", "snappy"], default="zstd")
    return parser.parse_args(argv)


def main() -> NoReturn:
    """Run the job; exit with 0, or with what the error says."""
    arguments = parse(sys.argv[1:])
    spark = SparkSession.builder.appName("daily_transform").getOrCreate()
    try:
        transform(spark, arguments)
    except JobError as error:
        print(f"daily_transform: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    finally:
        spark.stop()
    sys.exit(0)


if __name__ == "__main__":
    main()
