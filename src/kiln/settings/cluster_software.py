"""What a pipeline's cluster is launched with, as far as it can be checked without AWS."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.settings.model import ClusterShape, StepSettings

# EMR Release Guide, "About Amazon EMR Releases": applications of emr-5.x to emr-7.x and emr-spark-8.x.
# Others are accepted: releases get new ones. Only what looks like a misspelt one of these is refused.
APPLICATIONS = (
    "AmazonCloudWatchAgent", "Delta", "Flink", "Ganglia", "Hadoop", "HBase", "HCatalog", "Hive", "Hudi",
    "Hue", "Iceberg", "JupyterEnterpriseGateway", "JupyterHub", "Livy", "Mahout", "MXNet", "Oozie", "Phoenix",
    "Pig", "Presto", "PrestoSQL", "Spark", "Sqoop", "TensorFlow", "Tez", "Trino", "Zeppelin", "ZooKeeper",
)  # fmt: skip
_KEY = "emr_cluster_applications"


def problems(shape: ClusterShape, steps: Sequence[StepSettings], label: str) -> Iterator[UsageError]:
    """Yield what is wrong with the applications. `steps` have their kinds; `label` is the place."""
    known = {name.lower(): name for name in APPLICATIONS}
    for at, name in enumerate(shape.applications):
        close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.75)
        if name.lower() not in known and close:
            yield UsageError(
                f"{label}: {_KEY}[{at}] is {name!r}: no application of EMR (did you mean {known[close[0]]}?)",
                fix=f"correct {_KEY} there",
            )
    named = {name.lower() for name in shape.applications}
    for step in steps:
        if step.spark and "spark" not in named:
            yield UsageError(
                f"{label}: {_KEY} has no Spark, and the step {step.name} is a Spark job",
                fix=f"add Spark to {_KEY}",
            )
            return
