"""The study's first step: the XO data, for training and for the test, as Parquet.

spark-submit --py-files xo.py make_data.py --rows 15000 --test-rows 15000 --seed 13 \
  --target hdfs:///mlp_study/result/xo --test hdfs:///mlp_study/intermediate/test

The points of the test are those of the next seed.
"""

import argparse

import xo
from pyspark.sql import SparkSession

SCHEMA = "x double, y double, label string"


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, required=True, help="points for training")
    parser.add_argument("--test-rows", type=int, required=True, help="points for the test")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--target", required=True, help="folder of the data for training")
    parser.add_argument("--test", required=True, help="folder of the data for the test")
    given = parser.parse_args()
    spark = SparkSession.builder.appName("mlp_study data").getOrCreate()
    wanted = ((given.rows, given.seed, given.target), (given.test_rows, given.seed + 1, given.test))
    for count, seed, folder in wanted:
        rows = spark.createDataFrame(list(xo.points(count, seed)), SCHEMA)
        rows.coalesce(1).write.mode("overwrite").parquet(folder)
        print(f"{count} points of seed {seed} in {folder}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
