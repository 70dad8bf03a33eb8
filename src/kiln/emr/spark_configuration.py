"""EMR configurations that Kiln adds to a launch, so that Spark uses the pipeline's Python environment.

EMR writes them on every node when it installs Spark, so they also apply to `spark-submit` by hand. A
`spark-env` classification needs an `export` within it (docs/aws_facts.md 2.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kiln.settings.model import ClusterShape

_SPARK = "spark"
# A second attempt of a job that failed fails again, and delays the report of its cause.
_ONE_ATTEMPT = {"spark.yarn.maxAppAttempts": "1"}


def of(shape: ClusterShape) -> list[dict[str, Any]]:
    """Return the configurations of a launch: the pipeline's own, and what they do not say about Spark."""
    if _SPARK not in {name.lower() for name in shape.applications}:
        return list(shape.configurations)
    added: list[dict[str, Any]] = [{"Classification": "spark-defaults", "Properties": _ONE_ATTEMPT}]
    if shape.python_environment:
        python = f"{shape.python_environment}/bin/python"
        properties = {
            # The driver in cluster mode, executors, and the driver in client mode.
            "spark.yarn.appMasterEnv.PYSPARK_PYTHON": python,
            "spark.executorEnv.PYSPARK_PYTHON": python,
        }
        export = {"Classification": "export", "Properties": {"PYSPARK_PYTHON": python}}
        added = [
            {"Classification": "spark-env", "Configurations": [export]},
            {"Classification": "spark-defaults", "Properties": properties | _ONE_ATTEMPT},
        ]
    return _merged(shape.configurations, added)


def _merged(own: Sequence[Mapping[str, Any]], added: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return both lists as one in which each classification stands once; a property of `own` wins."""
    found: dict[str, dict[str, Any]] = {}
    for one in (*own, *added):
        stronger = found.get(one["Classification"], {})
        properties = {**one.get("Properties", {}), **stronger.get("Properties", {})}
        inner = _merged(stronger.get("Configurations", ()), one.get("Configurations", ()))
        found[one["Classification"]] = {
            "Classification": one["Classification"],
            **({"Properties": properties} if properties else {}),
            **({"Configurations": inner} if inner else {}),
        }
    return list(found.values())
