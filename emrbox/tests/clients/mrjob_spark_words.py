"""Counts words with Spark, by mrjob."""

from __future__ import annotations

from mrjob.job import MRJob


def add(one, other):
    return one + other


class SparkWords(MRJob):
    def spark(self, input_path, output_path):
        from pyspark import SparkContext

        context = SparkContext(appName="words")
        words = context.textFile(input_path).flatMap(str.split).map(lambda word: (word, 1))
        words.reduceByKey(add, 1).saveAsTextFile(output_path)
        context.stop()


if __name__ == "__main__":
    SparkWords.run()
