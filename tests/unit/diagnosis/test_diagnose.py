from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st
from log_places import Place

from kiln.aws import effects
from kiln.aws.convert import normal_log_uri
from kiln.diagnosis import diagnose, error_text, logs, stored_logs
from kiln.diagnosis.ssh import Ssh
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeAws

TRACEBACK = """Traceback (most recent call last):
  File "sd.py", line 9, in <module>
    main()
  File "sd.py", line 5, in main
    raise ValueError("no such data")
ValueError: no such data"""

JAVA = """26/11/21 08:10:58 ERROR Client: Application diagnostics message: gone
Exception in thread "main" org.apache.spark.SparkException: Application application_1_2 failed
\tat org.apache.spark.deploy.yarn.Client.run(Client.scala:1361)
\tat org.apache.spark.deploy.yarn.Client.main(Client.scala:1)
\tat org.apache.spark.deploy.yarn.Client.other(Client.scala:2)
Caused by: java.net.SocketException: no route
\tat a.b.c(D.java:1)
26/11/21 08:10:59 INFO ShutdownHookManager: Shutdown hook called"""

STDERR = f"26/11/21 08:10:00 INFO Client: Submitted application application_1_2\n{JAVA}"


def log(address: str, text: str) -> logs.Log:
    return logs.Log(address=address, text=text)


def test_the_last_traceback_ends_with_the_line_that_names_the_error() -> None:
    first = TRACEBACK.replace("no such data", "first")
    block = error_text.traceback(f"noise\n{first}\nnoise\n{TRACEBACK}\nnoise")
    assert block is not None
    assert list(block.lines) == TRACEBACK.splitlines()
    assert block.headline == "ValueError: no such data"


def test_a_long_traceback_fits_on_a_screen() -> None:
    frames = "".join(f'  File "x.py", line {n}, in f\n    f()\n' for n in range(200))
    block = error_text.traceback(f"Traceback (most recent call last):\n{frames}RecursionError: deep")
    assert block is not None
    assert len(block.lines) < 40
    assert block.lines[-1] == "RecursionError: deep"


def test_a_java_error_keeps_its_causes_and_loses_its_stack() -> None:
    block = error_text.java_error(JAVA)
    assert block is not None
    shown = block.lines
    assert block.headline == "java.net.SocketException: no route"
    assert shown[0].startswith("Exception in thread")
    assert "Caused by: java.net.SocketException: no route" in shown
    assert not any("Client.other" in line or "ShutdownHook" in line for line in shown)


def test_a_python_traceback_is_preferred_to_a_java_error() -> None:
    cause = diagnose.of_step([Place([log("stderr", JAVA), log("stdout", TRACEBACK)], [])], "s-1")
    assert (cause.address, cause.lines[-1]) == ("stdout", "ValueError: no such data")


def test_in_cluster_mode_the_drivers_own_traceback_is_shown() -> None:
    place = Place([log("step/stderr", STDERR)], [log("container/stdout", TRACEBACK)])
    cause = diagnose.of_step([place], "s-1")
    assert place.application == "application_1_2"
    assert (cause.address, cause.lines[-1]) == ("container/stdout", "ValueError: no such data")


def test_a_job_that_left_with_a_message_of_its_own_is_quoted() -> None:
    spark = "Caused by: org.apache.spark.SparkUserAppException: User application exited with 5"
    error = f"org.apache.spark.SparkException: Exception thrown in awaitResult:\n\tat a.B(C:1)\n{spark}"
    driver = [log("c/stderr", error), log("c/stdout.gz", "loading\nsd: no database at db:5432\n")]
    cause = diagnose.of_step([Place([log("step/stderr", STDERR)], driver)], "s-1")
    assert cause.address == "c/stdout.gz"
    assert cause.headline == "exited with status 5: sd: no database at db:5432"
    assert cause.lines[-2:] == ("sd: no database at db:5432", "exited with status 5")


RECORDS = """26/11/21 08:10:00 INFO SparkContext: Running Spark version 4.0.2
26/11/21 08:10:09 INFO SparkContext: Successfully stopped SparkContext
26/11/21 08:10:10 INFO ShutdownHookManager: Shutdown hook called"""


def controller(code: int) -> logs.Log:
    return log("step/controller.gz", f"HOME=/home/hadoop\nERROR Execution failed with code '{code}'\n")


def test_a_driver_that_was_killed_is_shown_with_its_signal() -> None:
    killed = (
        "26/11/21 08:10:59 ERROR ApplicationMaster: User application exited with status 137\n"
        "26/11/21 08:10:59 INFO ApplicationMaster: Final app status: FAILED, exitCode: 137"
    )
    driver = [log("c/stderr", killed), log("c/stdout", "loading\nreading 12 GB\n")]
    cause = diagnose.of_step([Place([log("step/stderr", STDERR), controller(1)], driver)], "s-1")
    assert cause.lines[-2:] == (
        "reading 12 GB",
        "exited with status 137 (killed by SIGKILL: often for lack of memory)",
    )


def test_in_client_mode_a_message_and_its_exit_code_are_shown() -> None:
    found = [log("step/stderr", RECORDS), log("step/stdout", "sd: no rows\n"), controller(7)]
    cause = diagnose.of_step([Place(found, [])], "s-1")
    assert (cause.lines, cause.address) == (("sd: no rows", "exited with status 7"), "step/stdout")


def test_in_client_mode_an_error_of_sparks_is_preferred_to_what_the_job_printed() -> None:
    found = [log("step/stderr", JAVA), log("step/stdout", "loading\n"), controller(1)]
    assert diagnose.of_step([Place(found, [])], "s-1").lines[0].startswith("Exception in thread")


def test_what_a_job_prints_to_both_streams_is_shown() -> None:
    found = [
        log("step/stderr", f"{RECORDS}\nno rows for 2026\n"),
        log("step/stdout", "loading\n"),
        controller(1),
    ]
    assert diagnose.of_step([Place(found, [])], "s-1").lines == (
        "no rows for 2026",
        "loading",
        "exited with status 1",
    )


def test_after_the_end_of_a_cluster_a_script_is_shown_by_its_stderr(aws: FakeAws) -> None:
    for name, text in {
        "controller": "HOME=/home/hadoop\nPATH=/bin\nERROR Execution failed with code '9'\n",
        "stderr": "bash: line 1: nosuch: command not found\n",
        "stdout": "",
        "syslog": "",
    }.items():
        aws.objects[f"s3://logs/emr/j-1/steps/s-1/{name}.gz"] = gzip.compress(text.encode())
    cause = diagnose.of_step([stored_logs.StoredLogs(aws, "s3://logs/emr/", "j-1")], "s-1")
    assert cause.lines == ("bash: line 1: nosuch: command not found", "exited with status 9")
    assert cause.address.endswith("/stderr.gz")


def test_in_client_mode_the_steps_stderr_is_shown() -> None:
    cause = diagnose.of_step([Place([log("step/stderr", TRACEBACK)], [])], "s-1")
    assert cause.address == "step/stderr"


def test_the_second_place_is_asked_when_the_first_has_nothing() -> None:
    places = [Place([], []), Place([log("s3", TRACEBACK)], [])]
    assert diagnose.of_step(places, "s-1").address == "s3"


def test_without_any_error_the_end_of_the_log_is_better_than_nothing() -> None:
    cause = diagnose.of_step([Place([log("stderr", "one\ntwo\n\n")], [])], "s-1")
    assert cause.lines == ("one", "two")


def test_stored_logs_are_found_in_emrs_layout(aws: FakeAws, tmp_path: Path) -> None:
    base = "s3://logs/emr/j-1/"
    folder = f"{base}containers/application_1_2/container_1_2_01_00000"
    for name, text in {
        f"{base}steps/s-1/stderr.gz": STDERR,
        f"{base}steps/s-1/controller.gz": "startExec",
        f"{folder}1/stdout.gz": TRACEBACK,
        f"{folder}2/stdout.gz": "an executor",
    }.items():
        aws.objects[name] = gzip.compress(text.encode())
    when = datetime(2026, 11, 21, tzinfo=UTC)
    cluster = effects.Cluster(
        id="j-1", name="x", state="TERMINATED", created_at=when, tags={}, log_uri="s3://logs/emr/"
    )
    step = effects.Step(id="s-1", name="sd", state="FAILED", created_at=when)
    ssh = Ssh(user="hadoop", key_file="", known_hosts=KnownHosts(folder=tmp_path, cluster_id="hosts"))
    lines = diagnose.cause_of(aws, cluster, step, ssh).lines
    assert "ValueError: no such data" in lines
    assert f"(from {folder}1/stdout.gz)" in lines
    assert any("s3://logs/emr/j-1/steps/s-1/" in line for line in lines)


def test_without_logs_the_first_line_has_the_reason_that_emr_gives(aws: FakeAws, tmp_path: Path) -> None:
    when = datetime(2026, 11, 21, tzinfo=UTC)
    cluster = effects.Cluster(id="j-1", name="x", state="TERMINATED", created_at=when, tags={})
    reason = "java.lang.OutOfMemoryError: Java heap space"
    step = effects.Step(id="s-1", name="sd", state="FAILED", created_at=when, failure_message=reason)
    ssh = Ssh(user="hadoop", key_file="", known_hosts=KnownHosts(folder=tmp_path, cluster_id="hosts"))
    assert reason in diagnose.cause_of(aws, cluster, step, ssh).headline


def test_the_log_address_that_aws_gives_back_is_normalised() -> None:
    assert normal_log_uri("s3n://bucket/emr") == "s3://bucket/emr/"
    assert normal_log_uri("s3://bucket/emr/") == "s3://bucket/emr/"
    assert normal_log_uri("") == ""


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("no answer from jdbc:postgresql://db/t?user=r&password=hunter2&ssl=on", "password=***&ssl=on"),
        ("no answer from postgresql://reader:hunter2@db:5432/t", "postgresql://reader:***@db:5432/t"),
        ("SECRET_TOKEN=hunter2 was refused", "SECRET_TOKEN=*** was refused"),
    ],
)
def test_no_password_of_an_address_is_shown(error: str, shown: str) -> None:
    text = f"Traceback (most recent call last):\n  x({error!r})\nValueError: {error}\n"
    cause = diagnose.of_step([Place([log("step/stderr", text)], [])], "s-1")
    assert shown in cause.headline
    assert "hunter2" not in f"{cause}"


LINES = st.one_of(
    texts(),
    st.sampled_from(
        [
            "Traceback (most recent call last):",
            "26/11/21 08:10:59 ERROR ApplicationMaster: User application exited with status 999",
            "ERROR Execution failed with code '137'",
            "Caused by: a.b.CException: x",
            "Submitted application application_1_2",
            "\tat a.b.C(D.java:1)",
        ]
    ),
)
FILES = st.lists(
    st.builds(
        lambda name, lines: log(f"place/{name}", "\n".join(lines)),
        st.sampled_from(["stderr.gz", "stdout", "controller.gz", "syslog", ""]),
        st.lists(LINES, max_size=3),
    ),
    max_size=2,
)


@many
@given(FILES, FILES)
def test_no_log_is_a_fault_and_a_cause_fits_on_a_screen(step: list[logs.Log], driver: list[logs.Log]) -> None:
    cause = diagnose.of_step([Place(step, driver), Place([], [])], "s-1")
    assert len(cause.lines) <= 40
    assert all("\n" not in line for line in cause.lines)
    assert bool(cause.lines) == bool(cause.address)
