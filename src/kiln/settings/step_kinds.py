"""The kinds of steps as people write them; settings.step_jars has what EMR gets of each."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kiln.settings.fields import ColumnName, ColumnType, Count, Model, S3Uri, Scalar, Text, doc

# `\Z`: for Python `$` also stands before a newline at the end.
_FILE = r"^(?:s3://[^/\s]+/[^,\x00-\x1f]+|(?!s3:)/?[^:/,\x00-\x1f][^:,\x00-\x1f]*|)\Z"
_FILE_WORDS = "a path in the model repo, a path on the nodes (/…), or an address like s3://bucket/key"
File = Annotated[str, Meta(pattern=_FILE, title=_FILE_WORDS)]
_Property = Annotated[
    str,
    Meta(pattern=r"^spark\.[A-Za-z0-9_.-]+\Z", title="the name of a Spark property, spark.…"),
]
_HadoopProperty = Annotated[
    str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*\Z", title="the name of a Hadoop property")
]
_Option = Annotated[
    str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*\Z", title="the name of an option without its dashes")
]
_Package = Annotated[
    str, Meta(pattern=r"^[\w.-]+:[\w.-]+:[\w.-]+\Z", title="Maven coordinates, group:artifact:version")
]
_Share = Annotated[float, Meta(ge=0, le=1)]
_ARGS = doc("Its arguments. Never a secret: the API shows them to everybody who may read.")


class SparkJob(Model, frozen=True, kw_only=True):
    """A Spark job: a script, or a class in a jar."""

    script: Annotated[File, doc("Python or R script: a path in the model repo, or s3://….")] = ""
    jar: Annotated[File, doc("Jar of the job: a path in the model repo, or s3://….")] = ""
    main_class: Annotated[str, doc("Main class in the jar.")] = msgspec.field(name="class", default="")
    deploy_mode: Annotated[
        Literal["cluster", "client"], doc("Where the driver runs: in a container, or on the master.")
    ] = "cluster"
    conf: Annotated[dict[_Property, Scalar], doc("Spark properties of this job, name to value.")] = (
        msgspec.field(default_factory=dict)
    )
    py_files: Annotated[
        tuple[File, ...],
        doc("Python files, zip archives or folders that the job imports; `.` is the model repo itself."),
    ] = ()
    packages: Annotated[
        tuple[_Package, ...],
        doc("Maven coordinates that Spark loads when the job starts; needs spark_packages_allowed."),
    ] = ()
    options: Annotated[
        dict[_Option, Scalar],
        doc("Options of the job, name to value: `--name value`; true gives `--name`, false nothing."),
    ] = msgspec.field(default_factory=dict)
    args: Annotated[tuple[str, ...], doc("Further arguments of the job, after its options.")] = ()


class Script(Model, frozen=True, kw_only=True):
    """An executable script that runs on the master."""

    path: Annotated[File, Meta(min_length=1), doc("The script: a path in the model repo, or s3://….")]
    args: Annotated[tuple[str, ...], _ARGS] = ()


class Streaming(Model, frozen=True, kw_only=True):
    """A Hadoop Streaming job."""

    mapper: Annotated[Text, doc("Command that each mapper runs.")]
    reducer: Annotated[str, doc("Command that each reducer runs; NONE for a job without reducers.")] = ""
    combiner: Annotated[str, doc("Command that combines what a mapper writes.")] = ""
    input: Annotated[tuple[Text, ...], Meta(min_length=1), doc("What it reads, s3://… or hdfs:///….")]
    output: Annotated[Text, doc("The folder that it makes, s3://… or hdfs:///….")]
    files: Annotated[tuple[str, ...], doc("Files that mappers and reducers find beside them, s3://….")] = ()
    conf: Annotated[dict[_HadoopProperty, Scalar], doc("Hadoop properties of this job, name to value.")] = (
        msgspec.field(default_factory=dict)
    )
    args: Annotated[tuple[str, ...], doc("Further arguments of hadoop-streaming.")] = ()


class CheckData(Model, frozen=True, kw_only=True):
    """A check of Parquet files, by a Spark program that Kiln gives to the cluster."""

    path: Annotated[Text, doc("The folder with the files, s3://…/date=2026-11-20/ or hdfs:///….")]
    columns: Annotated[
        dict[ColumnName, ColumnType],
        doc("All columns with their types, as in `bigint`; a missing, another or a further one fails."),
    ] = msgspec.field(default_factory=dict)
    null_share: Annotated[
        dict[str, _Share],
        doc("Highest share of nulls, 0 to 1, of each column named; `*`: of every other column."),
    ] = msgspec.field(default_factory=dict)
    least_rows: Annotated[Count, doc("Lowest number of rows.")] = 1
    most_rows: Annotated[Count | None, doc("Highest number of rows; none without it.")] = None
    days_before: Annotated[
        int,
        Meta(ge=0, le=31),
        doc("With how many days before, in folders beside …/date=YYYY-MM-DD, the rows are compared."),
    ] = 0
    row_change: Annotated[
        float, Meta(ge=0), doc("By which share the rows may differ from the mean of those days.")
    ] = 0.5
    source: Annotated[
        str, doc("What the files were made of: it must have as many rows as they have, with `set_aside`.")
    ] = ""
    source_format: Annotated[Literal["csv", "json", "parquet"], doc("Format of the source.")] = "csv"
    source_options: Annotated[
        dict[_Option, Scalar], doc("Options of Spark's reader of the source; without any CSV has a header.")
    ] = msgspec.field(default_factory=lambda: {"header": True})
    set_aside: Annotated[
        str, doc("Folder of text files with the rows that the job has set aside, a row a line.")
    ] = ""
    report: Annotated[
        S3Uri | None, doc("Folder for the report, metrics.json; it becomes part of the run's result.")
    ] = None
    conf: Annotated[dict[_Property, Scalar], doc("Spark properties of the check, name to value.")] = (
        msgspec.field(default_factory=dict)
    )
