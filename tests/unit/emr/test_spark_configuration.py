"""What Kiln adds to the configurations of a launch, so that Spark uses the pipeline's Python environment."""

from __future__ import annotations

from fakes import shape

from kiln.emr import spark_configuration

PYTHON = "/opt/kiln/envs/x/bin/python"
SPARK = {"applications": ("Hadoop", "Spark"), "python_environment": "/opt/kiln/envs/x"}


def test_drivers_executors_and_commands_on_the_master_use_the_python_environment() -> None:
    assert spark_configuration.of(shape(**SPARK)) == [
        {
            "Classification": "spark-env",
            "Configurations": [{"Classification": "export", "Properties": {"PYSPARK_PYTHON": PYTHON}}],
        },
        {
            "Classification": "spark-defaults",
            "Properties": {
                "spark.yarn.appMasterEnv.PYSPARK_PYTHON": PYTHON,
                "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
                "spark.yarn.maxAppAttempts": "1",
            },
        },
    ]


def test_without_a_python_environment_a_job_still_has_one_attempt() -> None:
    assert spark_configuration.of(shape(applications=("spark",), python_environment="")) == [
        {"Classification": "spark-defaults", "Properties": {"spark.yarn.maxAppAttempts": "1"}}
    ]


def test_a_cluster_without_spark_gets_what_the_pipeline_says_only() -> None:
    own = {"Classification": "core-site", "Properties": {"a": "b"}}
    wanted = shape(applications=("Hadoop",), python_environment="/x", configurations=(own,))
    assert spark_configuration.of(wanted) == [own]


def test_properties_of_the_pipeline_win_and_each_classification_stands_once() -> None:
    own = (
        {"Classification": "spark-defaults", "Properties": {"spark.yarn.maxAppAttempts": 3, "spark.a": 1}},
        {
            "Classification": "spark-env",
            "Configurations": [{"Classification": "export", "Properties": {"PYSPARK_PYTHON": "/mine"}}],
        },
    )
    found = {one["Classification"]: one for one in spark_configuration.of(shape(**SPARK, configurations=own))}
    assert len(found) == 2
    assert found["spark-defaults"]["Properties"] == {
        "spark.yarn.maxAppAttempts": 3,
        "spark.a": 1,
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": PYTHON,
        "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
    }
    (export,) = found["spark-env"]["Configurations"]
    assert export["Properties"] == {"PYSPARK_PYTHON": "/mine"}
