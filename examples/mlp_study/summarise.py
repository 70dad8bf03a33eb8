"""The study's last Spark step: one table of all trainings, and metrics.json, which Kiln shows in its result.

spark-submit --py-files knee.py summarise.py --test-rows 15000 \
  --trainings hdfs:///mlp_study/intermediate/trainings --target hdfs:///mlp_study/result
"""

import argparse
import json

import knee
from pyspark.sql import SparkSession


def main() -> None:
    """Write <target>/trainings/ and <target>/summary/metrics.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--test-rows", type=int, required=True, help="points of the test")
    parser.add_argument("--trainings", required=True, help="folder with a folder a size")
    parser.add_argument("--target", required=True)
    given = parser.parse_args()
    spark = SparkSession.builder.appName("mlp_study summary").getOrCreate()
    trainings = spark.read.parquet(f"{given.trainings}/*").coalesce(1).sort("neurons", "seed")
    trainings.write.mode("overwrite").parquet(f"{given.target}/trainings")
    rows = [knee.Training(row["neurons"], row["test_accuracy"]) for row in trainings.collect()]
    metrics = knee.summary(rows, given.test_rows)
    print(json.dumps(metrics, indent=1), flush=True)
    hadoop = spark.sparkContext._jvm.org.apache.hadoop.fs  # noqa: SLF001  # PySpark has no other way to files
    path = hadoop.Path(f"{given.target}/summary/metrics.json")
    files = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())  # noqa: SLF001
    stream = files.create(path)
    stream.write(bytearray(json.dumps(metrics).encode()))
    stream.close()
    spark.stop()


if __name__ == "__main__":
    main()
