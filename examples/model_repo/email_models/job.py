"""A job from its command line to its metrics and exit code: all that sd and cdd do alike."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from pyspark.sql import SparkSession

from email_models.arguments import Arguments, parse_arguments
from email_models.database import Directory, read_directory
from email_models.errors import JobError
from email_models.session import start_session, write_metrics
from email_models.settings import Settings


class Stopwatch:
    """Seconds by phase, for metrics.json."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what happens inside, and say so on stdout: it is what an operator sees in the driver's log."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 2)
        print(f"{name}: {self.seconds[name]} s", flush=True)  # a job's log


@dataclass(frozen=True)
class Job:
    """A job that has all it needs to begin; `name` is the folder of its metrics."""

    name: str
    arguments: Arguments
    settings: Settings
    directory: Directory
    spark: SparkSession
    watch: Stopwatch

    @classmethod
    def start(cls, name: str, description: str) -> Self:
        """Read arguments, settings and organisations, then start Spark: what is wrong fails before that."""
        arguments = parse_arguments(description)
        settings = Settings.load(arguments.settings_file)
        watch = Stopwatch()
        with watch.phase("read organisations"):
            directory = read_directory(arguments)
        with watch.phase("start Spark"):
            spark = start_session(name)
        return cls(name, arguments, settings, directory, spark, watch)

    def finish(self, messages: int, rows: dict[str, int], **figures: object) -> None:
        """Write metrics.json: how many messages and rows (by output), and the job's own figures."""
        metrics = {
            "date": self.arguments.day.isoformat(),
            "messages": messages,
            "organisations": len(self.directory.organisations),
            "rows": rows,
            "seconds": self.watch.seconds,
            "settings": self.settings.as_dict(),
            **figures,
        }
        write_metrics(self.spark, self.arguments, self.name, metrics)
        print(f"{messages} messages -> {rows}", flush=True)  # a job's log
        self.spark.stop()


def run_job(name: str, description: str | None, build: Callable[[Job], None]) -> None:
    """Run a job. A known failure becomes one line on stderr and its exit code; others keep a traceback."""
    try:
        build(Job.start(name, description or ""))
    except JobError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)  # a job's log
        sys.exit(error.exit_code)
