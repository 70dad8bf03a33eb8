"""The kinds of steps as people write them; settings.step_jars has what EMR gets of each."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kiln.settings.fields import Model, Scalar, Text, doc

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
