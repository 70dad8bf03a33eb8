"""A Spark job that uses what jobs use most: CSV, JSON and Parquet, a join, SQL, Python functions, and S3."""

from pyspark.sql import SparkSession, functions

spark = SparkSession.builder.getOrCreate()
rows = spark.range(200).selectExpr("id", "id % 7 AS part", "cast(id % 2 AS double) AS label", "'x' AS text")
for kind in ("csv", "json", "parquet"):
    rows.write.mode("overwrite").partitionBy("part").format(kind).save(f"/user/root/{kind}")
both = spark.read.parquet("/user/root/parquet").join(spark.read.json("/user/root/json"), "id")
both.groupBy("id").agg(functions.count("*")).orderBy("id").collect()
spark.read.csv("/user/root/csv").count()
longer = functions.udf(lambda text: text + "y")
rows.select(longer("text")).distinct().count()
rows.rdd.map(lambda row: row.id).sum()
rows.createOrReplaceTempView("rows")
spark.sql("SELECT part, sum(id), row_number() OVER (ORDER BY part) FROM rows GROUP BY part").show()
try:
    spark.read.parquet("s3a://none/none")
except Exception as error:  # noqa: BLE001  # nobody answers there: the classes of the client are what counts
    print(error)  # noqa: T201  # for the log
spark.stop()
