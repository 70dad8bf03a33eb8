"""One size of the study: a perceptron of N hidden neurons, trained once for each seed.

spark-submit --py-files xo.py train.py --neurons 30 --seeds 1,2,3 --iterations 100 --data … --test … \
  --tasks 2 --usd-per-hour 0.36 --trainings …/trainings --surfaces …/surfaces

Writes <trainings>/<N>/, a row a seed, and <surfaces>/neurons=<N>/, the first seed's label at each place of a
grid. `usd` is the time that fitting took, at the price that is given.
"""

import argparse
import time

import xo
from pyspark.ml.classification import MultilayerPerceptronClassificationModel, MultilayerPerceptronClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

SCHEMA = "neurons int, seed int, train_accuracy double, test_accuracy double, seconds double, usd double"
GRID_STEPS = 61


def labels() -> Column:
    """Return the labels in the order of the output neurons."""
    return f.array(*(f.lit(one) for one in xo.LABELS))


def with_features(points: DataFrame) -> DataFrame:
    """Return points with their features as a vector."""
    return VectorAssembler(inputCols=["x", "y"], outputCol="features").transform(points)


def data(spark: SparkSession, folder: str, tasks: int) -> DataFrame:
    """Return points with features and the number of their label, kept in memory."""
    points = spark.read.parquet(folder).repartition(tasks)
    target = (f.array_position(labels(), f.col("label")) - 1).cast("double")
    return with_features(points.withColumn("target", target)).cache()


def accuracy(model: MultilayerPerceptronClassificationModel, points: DataFrame) -> float:
    """Return the share of points whose label the model predicts."""
    is_right = (f.col("prediction") == f.col("target")).cast("double")
    (row,) = model.transform(points).select(f.avg(is_right)).collect()
    return float(row[0])


def surface(spark: SparkSession, model: MultilayerPerceptronClassificationModel) -> DataFrame:
    """Return the model's label at each place of the grid."""
    places = with_features(spark.createDataFrame(xo.grid(GRID_STEPS), "x double, y double"))
    predicted = f.element_at(labels(), f.col("prediction").cast("int") + 1)
    return model.transform(places).select("x", "y", predicted.alias("label"))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, required=True, help="neurons of the hidden layer")
    parser.add_argument("--seeds", required=True, help="of the weights at first, as in 1,2,3")
    parser.add_argument("--iterations", type=int, required=True, help="at most this many of L-BFGS")
    parser.add_argument("--tasks", type=int, required=True, help="tasks that each iteration is divided into")
    parser.add_argument("--usd-per-hour", type=float, required=True, help="what the step's nodes cost")
    for name in ("data", "test", "trainings", "surfaces"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def main() -> None:
    """Train, and write what came of it."""
    given = arguments()
    spark = SparkSession.builder.appName(f"mlp_study {given.neurons}").getOrCreate()
    train, test = (data(spark, folder, given.tasks) for folder in (given.data, given.test))
    # Reading them is no part of the first training's time.
    train.count(), test.count()
    rows, first = [], None
    for seed in map(int, given.seeds.split(",")):
        perceptron = MultilayerPerceptronClassifier(
            layers=[len("xy"), given.neurons, len(xo.LABELS)],
            maxIter=given.iterations,
            seed=seed,
            labelCol="target",
        )
        started = time.monotonic()
        model = perceptron.fit(train)
        seconds = time.monotonic() - started
        usd = seconds * given.usd_per_hour / 3600
        rows.append((given.neurons, seed, accuracy(model, train), accuracy(model, test), seconds, usd))
        print(rows[-1], flush=True)
        first = first or model
    spark.createDataFrame(rows, SCHEMA).coalesce(1).write.mode("overwrite").parquet(
        f"{given.trainings}/{given.neurons}"
    )
    if first:
        surface(spark, first).coalesce(1).write.mode("overwrite").parquet(
            f"{given.surfaces}/neurons={given.neurons}"
        )
    spark.stop()


if __name__ == "__main__":
    main()
