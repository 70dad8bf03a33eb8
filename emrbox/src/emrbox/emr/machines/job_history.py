"""The history of MapReduce jobs, DistCp's among them: below hadoop-mapreduce/history/ of the logs.

The application master of a job leaves them in a folder for the job history server, which sorts them by the
job's end and number (Hadoop, JobHistoryUtils). Here that server does not run, and the log pusher sorts them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr.machines.log_layout import Log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrbox.emr.machines.webhdfs import WebHdfs

DONE = "/tmp/hadoop-yarn/staging/history/done_intermediate"  # noqa: S108  # in HDFS
PLACE = "hadoop-mapreduce/history"
# job-submitted-user-name-finished-…: times in milliseconds, and no field has a hyphen of its own.
HISTORY = re.compile(r"(job_\d+_(\d{1,9}))-\d+-[^-]*-[^-]*-(\d{13})-.*\.jhist")
CONFIGURATION = "_conf.xml"
JOBS_IN_A_FOLDER = 1000


def job_history(hdfs: WebHdfs) -> Iterator[Log]:
    """Yield the history and the configuration of each job that is over. Raises OSError."""
    found = {entry.name: (path, entry) for path, entry in hdfs.files(DONE)}
    for name in sorted(found):
        if match := HISTORY.fullmatch(name):
            folder = _folder(int(match[3]), int(match[2]))
            for one in (name, f"{match[1]}{CONFIGURATION}"):
                if one in found:
                    path, entry = found[one]
                    opened = partial(hdfs.open, path)
                    yield Log(f"{PLACE}/{folder}/{one}", entry.size, entry.changed, opened)


def _folder(finished_ms: int, number: int) -> str:
    day = datetime.fromtimestamp(finished_ms / 1000, UTC).strftime("%Y/%m/%d")
    return f"{day}/{number // JOBS_IN_A_FOLDER:06}"
