package com.example.clicks;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.countDistinct;
import static org.apache.spark.sql.functions.lit;

import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;

/** Counts clicks and pages of each user of a day: Parquet in, Parquet out. Arguments: SOURCE TARGET. */
public final class PagesByUser {
  private static final int USAGE = 2;

  private PagesByUser() {}

  public static void main(String[] arguments) {
    if (arguments.length != 2) {
      System.err.println("usage: PagesByUser SOURCE TARGET");
      System.exit(USAGE);
    }
    SparkSession spark = SparkSession.builder().appName("PagesByUser").getOrCreate();
    Dataset<Row> clicks = spark.read().parquet(arguments[0]);
    Dataset<Row> users =
        clicks
            .groupBy(col("user"))
            .agg(count(lit(1)).as("clicks"), countDistinct(col("page")).as("pages"));
    users.coalesce(1).write().mode(SaveMode.Overwrite).parquet(arguments[1]);
    System.out.println(users.count() + " users");
    spark.stop();
  }
}
