"""Start Spark, read a day's messages, write models and metrics."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from email_models.arguments import Arguments
from email_models.errors import InputError

# Small data on few cores: every further partition costs more than it brings.
_SHUFFLE_PARTITIONS = 4


def start_session(name: str) -> SparkSession:
    """Start Spark with what these jobs need; sizes of driver and executors come from spark-submit."""
    return (
        SparkSession.builder.appName(name)
        .config("spark.sql.shuffle.partitions", _SHUFFLE_PARTITIONS)
        .config(
            "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold", "64m"
        )  # hashing beats sorting here
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )


def read_messages(spark: SparkSession, arguments: Arguments, columns: Sequence[str]) -> DataFrame:
    """Open the day's messages. Raises InputError when there are none or when a column is missing."""
    where = arguments.messages
    try:
        messages = spark.read.parquet(where)
    except AnalysisException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"no messages of {arguments.day} at {where}: {reason}") from None
    missing = sorted(set(columns) - set(messages.columns))
    if missing:
        raise InputError(f"the messages at {where} lack the columns {', '.join(missing)}")
    return messages.select(*columns)


def require_rows(rows: int, arguments: Arguments) -> int:
    """Return `rows`. Raises InputError when there are none: an empty day must not replace models."""
    if rows == 0:
        raise InputError(f"the messages at {arguments.messages} are empty")
    return rows


def as_spark(spark: SparkSession, frame: pd.DataFrame) -> DataFrame:
    """Turn a small driver-side table into Spark's; an empty one keeps its columns."""
    kinds = {"i": "bigint", "u": "bigint", "f": "double", "b": "boolean"}
    schema = ", ".join(f"{name} {kinds.get(kind.kind, 'string')}" for name, kind in frame.dtypes.items())
    columns = [frame[name].tolist() for name in frame.columns]
    rows = spark.sparkContext.parallelize(list(zip(*columns, strict=True)), 1)
    return spark.createDataFrame(rows, schema, verifySchema=False)


def write_models(frame: DataFrame, arguments: Arguments, name: str) -> None:
    """Write one small Parquet file below the output, in place of what an earlier run left there."""
    frame.coalesce(1).write.mode("overwrite").parquet(f"{arguments.output}/{name}")


def write_metrics(spark: SparkSession, arguments: Arguments, job: str, metrics: dict[str, Any]) -> None:
    """Write `<output>/<job>/metrics.json` through Hadoop, which knows every address that Spark knows."""
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001  # PySpark offers no other way to Hadoop's FileSystem
    context: Any = spark.sparkContext._jsc  # noqa: SLF001
    path = jvm.org.apache.hadoop.fs.Path(f"{arguments.output}/{job}/metrics.json")
    stream = path.getFileSystem(context.hadoopConfiguration()).create(path)
    try:
        stream.write(bytearray(json.dumps(metrics, indent=2, sort_keys=True).encode()))
    finally:
        stream.close()
