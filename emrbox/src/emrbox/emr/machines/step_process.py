"""A step on the master: a process as user hadoop with EMR's four log files (docs/aws_facts.md 3.1-3.4)."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from emrbox.emr.life.layer import StepOutcome
from emrbox.emr.life.model import FailureDetails, Step
from emrbox.emr.machines.log_layout import STEPS_FOLDER
from emrbox.emr.machines.node_access import NODE_ENVIRONMENT, Member
from emrbox.emr.machines.processes import kill_tree
from emrbox.nodes.files import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COMMAND_RUNNER = "command-runner.jar"
SCRIPT_RUNNER = re.compile(r"s3://[a-z0-9-]+\.elasticmapreduce/libs/script-runner/script-runner\.jar")
SUBMITTED = re.compile(rb"Submitted application (application_\d+_\d+)")
# Printed before YARN has it; the message above follows only when YARN has accepted it.
SUBMITTING = re.compile(rb"Submitt(?:ed|ing) application (application_\d+_\d+)")
EXCEPTION = re.compile(
    rb"^(?:Exception in thread .*|Caused by: .*|[\w.]+(?:Error|Exception)\b.*)$", re.MULTILINE
)
TAIL_BYTES = 65536
MOST_BYTES = 100_000_000  # of a log: a sparse file has no end to wait for
SIGNALLED = 128
FAILED_JOBS = 1  # in place of the exit code 0 of a step whose Hadoop jobs have failed
MESSAGE_LENGTH = 1000

# Names the file $1 `file`, after fetching it into the working folder if it is in S3.
_TAKE = """\
set -e
given=$1; shift
case $given in
s3://*|s3n://*|s3a://*)
  file=./$(basename "$given")
  aws s3 cp --only-show-errors "s3://${given#*://}" "$file" ;;
*) file=$given ;;
esac
"""
# Runs that file with the rest, as script-runner.jar does.
RUN_SCRIPT = (
    _TAKE
    + """\
[ -x "$file" ] || chmod 755 "$file"
exec "$file" "$@"
"""
)
# Runs that jar by `hadoop jar` with the rest.
RUN_JAR = (
    _TAKE
    + """\
exec hadoop jar "$file" "$@"
"""
)


class StepProcess:
    """A running step. `push` copies its logs, and those of its YARN applications, when it is over.

    `failed_jobs` returns those of some applications that are Hadoop jobs and have failed.

    A cancelled step takes its YARN applications with it. This is emrbox's decision: the guide says only that
    what runs detached survives (docs/aws_facts.md 1.5), so with real EMR a job in cluster mode may continue.
    """

    def __init__(
        self,
        step: Step,
        master: Member,
        push: Callable[[Sequence[str]], None],
        uri: Callable[[str], str | None],
        kill_applications: Callable[[Sequence[str]], None],
        *,
        failed_jobs: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        self._step = step
        self._push = push
        self._uri = uri
        self._kill_applications = kill_applications
        self._failed_jobs = failed_jobs
        self._cancelled = False
        self._files = master.node.files
        self._logs = f"{STEPS_FOLDER}/{step.id}"
        self._lock = threading.Lock()
        work = f"/mnt/var/lib/hadoop/steps/{step.id}"
        self._files.make_folder(work, "hadoop")
        self._files.make_folder(self._logs, "hadoop")
        self._controller = self._files.create(f"{self._logs}/controller")
        argv = _argv(step)
        environment = {**NODE_ENVIRONMENT, **_hadoop_log(step.id)}
        self._say(f"INFO startExec '{shlex.join(argv)}'")
        self._say(f"INFO Environment:\n{chr(10).join(f'  {k}={v}' for k, v in environment.items())}")
        # The step's own processes write this one.
        self._files.write(f"{self._logs}/syslog", b"", owner="hadoop")
        out, err = (self._files.create(f"{self._logs}/{name}") for name in ("stdout", "stderr"))
        with out, err:
            self._process = master.node.popen(
                argv, user="hadoop", cwd=work, env=environment, stdout=out, stderr=err
            )
        self._say(f"INFO ProcessRunner started child process {self._process.pid}")

    def wait(self) -> StepOutcome:
        """Return when the process is over and its logs are pushed."""
        code = self._process.wait()
        if code < 0:
            code = SIGNALLED - code  # as a shell reports it
        self._say(f"INFO waitProcessCompletion ended with exit code {code}")
        applications = self._applications(SUBMITTED)
        failed = self._failed_jobs(applications) if code == 0 else ()
        if failed:
            self._say(f"ERROR Hadoop jobs failed: {', '.join(failed)}")
            code = FAILED_JOBS
        elif code == 0:
            self._say("INFO Step succeeded with exitCode 0")
        else:
            self._say(f"ERROR Execution failed with code '{code}'")
            self._say(f"WARN Step failed with exitCode {code} and took its logs")
        if self._cancelled:
            self._kill_applications(self._applications(SUBMITTING))
        self._controller.close()
        self._push(applications)
        return StepOutcome(code, self._failure() if code != 0 else None, applications)

    def interrupt(self) -> None:
        """SIGTERM to the step's process, then the end of its YARN applications."""
        self._cancelled = True
        self._say("INFO Step cancellation requested: SIGTERM to the child process")
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to the step's process and what it started, then the end of its YARN applications."""
        self._cancelled = True
        kill_tree(self._process)

    def _say(self, line: str) -> None:
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        with self._lock:
            if not self._controller.closed:  # the step is over already
                write_all(self._controller, f"{moment} {line}\n".encode(errors="replace"))

    def _applications(self, naming: re.Pattern[bytes]) -> tuple[str, ...]:
        """Return the YARN applications that the step's own output names."""
        found: dict[str, None] = {}
        for name in ("stderr", "stdout", "syslog"):
            for line in self._lines(name):
                for match in naming.findall(line):
                    found[match.decode()] = None
        return tuple(found)

    def _lines(self, name: str, last: int = MOST_BYTES) -> Iterator[bytes]:
        """Yield the lines of a log's last bytes; none if the step has put something else there."""
        with contextlib.suppress(OSError), self._files.open_below(self._logs, name) as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - last))
            read = 0
            while read < last and (line := log.readline(TAIL_BYTES)):
                read += len(line)
                yield line

    def _failure(self) -> FailureDetails:
        """Return the cause that EMR sees, else "Unknown Error." and the log's URI (docs/aws_facts.md 1.3)."""
        tail = b"".join(self._lines("stderr", last=TAIL_BYTES))
        matches = EXCEPTION.findall(tail)
        message = matches[-1].decode(errors="replace").strip()[:MESSAGE_LENGTH] if matches else None
        reason = "Unknown Error."
        if b"FileAlreadyExistsException" in tail:
            reason = "Output directory already exists."
        return FailureDetails(reason, message, self._uri(f"steps/{self._step.id}/stderr.gz"))


def _hadoop_log(step_id: str) -> dict[str, str]:
    """Send what Hadoop itself logs to syslog, as the environment in EMR's controller logs has it."""
    return {
        "HADOOP_LOG_DIR": f"/{STEPS_FOLDER}/{step_id}",
        "HADOOP_LOGFILE": "syslog",
        "HADOOP_ROOT_LOGGER": "INFO,DRFA",
    }


def _argv(step: Step) -> Sequence[str]:
    if step.jar == COMMAND_RUNNER or step.jar.endswith(f"/{COMMAND_RUNNER}"):
        return step.args or ("false",)
    if SCRIPT_RUNNER.fullmatch(step.jar):
        return ("bash", "-c", RUN_SCRIPT, "script-runner", *step.args)
    main = (step.main_class,) if step.main_class else ()
    properties = [f"-D{key}={value}" for key, value in step.properties.items()]
    return ("bash", "-c", RUN_JAR, "hadoop-jar", step.jar, *main, *properties, *step.args)
