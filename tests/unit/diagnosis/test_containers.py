"""Which container's log counts: attempts of a driver, failed executors, rotated files, late nodes."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from log_places import Place

from kiln.diagnosis import diagnose, logs, node_logs, stored_logs

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from fakes import FakeAws

    from kiln.diagnosis.ssh import Ssh

APPLICATION = "application_1_2"
SUBMITTED = logs.Log(
    address="steps/s-1/stderr", text=f"26/11/21 08:10:00 INFO Client: Submitted application {APPLICATION}\n"
)
FIRST, SECOND = "container_1_2_01_000001", "container_1_2_02_000001"
EXECUTOR = "container_1_2_01_000007"
HEAP = "java.lang.OutOfMemoryError: Java heap space"


def log(container: str, text: str, name: str = "stdout") -> logs.Log:
    return logs.Log(address=f"10.0.0.1:/logs/{container}/{name}", text=text)


def raised(error: str) -> str:
    return f'Traceback (most recent call last):\n  File "sd.py", line 9, in <module>\n{error}\n'


def headline(place: Place) -> str:
    return diagnose.of_step([place], "s-1").headline


def test_of_two_attempts_the_last_error_counts() -> None:
    attempts = [log(FIRST, raised("ValueError: first")), log(SECOND, raised("ValueError: second"))]
    assert headline(Place([SUBMITTED], attempts)) == "ValueError: second"


def test_an_attempt_that_only_found_what_the_first_one_left_does_not_count() -> None:
    found = raised("AnalysisException: [PATH_ALREADY_EXISTS] Path s3://b/o already exists.")
    attempts = [log(FIRST, raised("ValueError: first")), log(SECOND, found)]
    assert headline(Place([SUBMITTED], attempts)) == "ValueError: first"


def test_the_executor_that_the_driver_reports_as_ended_is_read() -> None:
    driver = log(
        FIRST, f"WARN YarnAllocator: Container from a bad node: {EXECUTOR} on host: h. Exit status: 143."
    )
    place = Place([SUBMITTED], [driver], [log(EXECUTOR, HEAP)])
    assert headline(place) == f"an executor ran out of memory: {HEAP}"
    assert place.containers == (EXECUTOR,)


def test_no_executor_is_read_when_the_driver_has_the_cause() -> None:
    place = Place([SUBMITTED], [log(FIRST, raised("ValueError: no data"))], [log(EXECUTOR, HEAP)])
    assert headline(place) == "ValueError: no data"
    assert place.containers is None


def test_in_client_mode_the_first_container_is_not_the_driver() -> None:
    step = logs.Log(
        address="steps/s-1/stderr",
        text=f"26/11/21 08:09:00 INFO SparkContext: Running Spark version 4.0.2\n{SUBMITTED.text}",
    )
    printed = logs.Log(address="steps/s-1/stdout", text="no rows\n")
    controller = logs.Log(address="steps/s-1/controller", text="ERROR Execution failed with code '7'\n")
    launcher = log(FIRST, "26/11/21 08:10:00 INFO ExecutorLauncher: x\nfinished\n", "stderr")
    assert headline(Place([step, printed, controller], [launcher])) == "exited with status 7: no rows"


def test_of_rotated_files_the_newest_counts(aws: FakeAws) -> None:
    folder = "s3://logs/emr/j-1/steps/s-1"
    for name, error in {
        "stderr.2026-11-21-10": "ValueError: old",
        "stderr.2026-11-21-11": "ValueError: older than the last",
        "stderr": "ValueError: last",
    }.items():
        aws.objects[f"{folder}/{name}.gz"] = gzip.compress(raised(error).encode())
    found = diagnose.of_step([stored_logs.StoredLogs(aws, "s3://logs/emr/", "j-1")], "s-1")
    assert found.headline == "ValueError: last"


def test_in_s3_only_the_named_executors_are_read_else_the_newest(aws: FakeAws) -> None:
    base = f"s3://logs/emr/j-1/containers/{APPLICATION}"
    for container in (FIRST, EXECUTOR, "container_1_2_01_000008", "container_1_2_01_000011"):
        aws.objects[f"{base}/{container}/stdout.gz"] = gzip.compress(b"x\n")
    stored = stored_logs.StoredLogs(aws, "s3://logs/emr/", "j-1")
    assert [one.address for one in stored.executors(APPLICATION, [EXECUTOR])] == [
        f"{base}/{EXECUTOR}/stdout.gz"
    ]
    read = {one.address.split("/")[-2] for one in stored.executors(APPLICATION, [])}
    assert read == {EXECUTOR, "container_1_2_01_000008", "container_1_2_01_000011"}
    assert [one.address for one in stored.driver(APPLICATION)] == [f"{base}/{FIRST}/stdout.gz"]


def test_on_nodes_only_the_named_executors_are_read_else_all_but_the_driver(ssh: Ssh, tmp_path: Path) -> None:
    for container in (FIRST, EXECUTOR, "container_1_2_01_000011"):
        folder = tmp_path / "containers" / APPLICATION / container
        folder.mkdir(parents=True)
        (folder / "stdout").write_text(f"{container}\n")
    nodes = node_logs.NodeLogs(ssh, "10.0.0.1", [])
    assert [one.text.strip() for one in nodes.executors(APPLICATION, [EXECUTOR])] == [EXECUTOR]
    others = sorted(one.text.strip() for one in nodes.executors(APPLICATION, []))
    assert others == [EXECUTOR, "container_1_2_01_000011"]


def test_nodes_that_do_not_answer_in_time_are_left_out_and_named(
    ssh: Ssh, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = node_logs.NodeLogs(ssh, "10.0.0.1", [f"10.0.0.{number}" for number in range(2, 12)])
    time_is_over = threading.Event()

    class Pool(ThreadPoolExecutor):
        def __exit__(self, *error: object) -> None:
            time_is_over.set()
            self.shutdown()

    def silent(*_: object) -> list[logs.Log]:
        time_is_over.wait()
        return []

    monkeypatch.setattr(node_logs, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(node_logs, "SEARCH_SECONDS", 0.0)
    monkeypatch.setattr(nodes, "_files", silent)
    found = nodes.driver(APPLICATION)
    assert {one.note for one in found} == {"was not asked: the search took longer than 0 s"}
    assert len(found) == 11 - node_logs.MOST_AT_ONCE


def test_a_step_that_was_stopped_shows_its_last_output() -> None:
    lines = [
        f"26/11/21 08:10:{second:02} INFO TaskSetManager: Finished task {second}" for second in range(20)
    ]
    stderr = logs.Log(address="steps/s-1/stderr", text="\n".join(lines))
    stdout = logs.Log(address="steps/s-1/stdout", text="loading 12 GB\n")
    cause = diagnose.of_stopped([Place([stderr, stdout])], "s-1", "CANCELLED")
    assert cause.kind == "stopped"
    assert cause.headline == f"the step is CANCELLED; its last output: {lines[-1]}"
    assert cause.lines[0] == "loading 12 GB"
    assert cause.lines[-1] == lines[-1]


def test_a_stopped_step_without_a_log_says_so() -> None:
    assert diagnose.of_stopped([Place([])], "s-1", "CANCELLED").kind == "no_log"
