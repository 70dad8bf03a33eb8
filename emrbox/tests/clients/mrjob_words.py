"""Counts words; mrjob's own first example."""

from __future__ import annotations

from mrjob.job import MRJob


class Words(MRJob):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    def combiner(self, word, counts):
        yield word, sum(counts)

    def reducer(self, word, counts):
        yield word, sum(counts)


if __name__ == "__main__":
    Words.run()
