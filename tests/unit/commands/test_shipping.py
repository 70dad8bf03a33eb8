"""Logs of steps sent to CloudWatch Logs while a command waits for the steps; no failure changes its end."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import MASTER, FakeAws, VirtualClock, shape
from local_node import LocalNode

from kiln.clock import SystemClock
from kiln.commands import shared, shipping
from kiln.emr.request import launch_request
from kiln.errors import AwsError, InterruptedRunError, StepFailedError
from kiln.ledger.schema import StepEntry
from kiln.ledger.store import Ledger
from kiln.settings.cloudwatch_logs import CloudwatchLogs

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.identity import Identity

GROUP, STATE = "/kiln/local/clicks", "s3://state/kiln"


class Shipped:
    """A run on a cluster with one node, which is this machine."""

    def __init__(self, node: LocalNode, identity: Identity) -> None:
        self.node, self.identity = node, identity
        self.aws = FakeAws(VirtualClock())
        self.cluster_id = self.aws.run_job_flow(launch_request(identity, shape(), self.aws.clock.now()))
        self.aws.clock.seconds += 1000
        self.aws.nodes[self.cluster_id] = [MASTER]
        self.ledger = Ledger(self.aws, SystemClock(), STATE, identity)
        self.reported: list[str] = []

    def entry(self, step_id: str, state: str) -> None:
        def change(run: Any) -> None:
            run.steps = [one for one in run.steps if one.step_id != step_id]
            entry = StepEntry(name="sd", cluster_id=self.cluster_id, intent_at="x", step_id=step_id)
            entry.state = state
            run.steps.append(entry)

        self.ledger.update(change)

    def ship(self, **logs: str) -> Any:
        driver: Any = SimpleNamespace(kiln_cloudwatch_logs=CloudwatchLogs(**logs), kiln_state_uri=STATE)
        ship = shipping.of(driver, self.identity, self.reported.append)
        return ship(self.aws.describe_cluster(self.cluster_id))

    @property
    def messages(self) -> list[str]:
        return [
            one.message
            for (group, _), batches in self.aws.log_streams.items()
            for batch in batches
            for one in batch
            if group == GROUP
        ]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: Identity) -> Shipped:
    node = LocalNode(tmp_path, monkeypatch, os.environ["PATH"])
    found = Shipped(node, identity)
    monkeypatch.setattr(shared, "aws_of", lambda _: found.aws)
    monkeypatch.setattr(shared, "ssh_of", lambda *_: node.ssh())
    return found


def test_all_lines_of_a_step_are_there_when_the_block_ends(shipped: Shipped) -> None:
    shipped.entry("s-0LD", "COMPLETED")
    shipped.node.log("steps/s-0LD/stdout", "of an earlier command\n")
    with shipped.ship(group=GROUP):
        shipped.entry("s-1", "RUNNING")
        shipped.node.log("steps/s-1/stdout", "one\ntwo")
        shipped.entry("s-1", "COMPLETED")
    assert shipped.messages == ["sd stdout | one", "sd stdout | two"]
    run = shipped.identity
    assert list(shipped.aws.log_streams) == [(GROUP, f"{run.pipeline}/{run.run_id}")]
    assert shipped.reported == []


def test_the_lines_of_a_step_that_failed_are_there_too_and_the_stream_has_its_name(shipped: Shipped) -> None:
    def fail() -> None:
        with shipped.ship(group=GROUP, stream="clicks"):
            shipped.node.log("steps/s-1/stderr", "the cause\n")
            shipped.entry("s-1", "FAILED")
            raise StepFailedError("step sd FAILED")

    with pytest.raises(StepFailedError):
        fail()
    assert shipped.messages == ["sd stderr | the cause"]
    assert list(shipped.aws.log_streams) == [(GROUP, "clicks")]


@pytest.mark.parametrize("problem", ["refused", "ssh"])
def test_a_problem_is_told_once_and_changes_nothing(
    shipped: Shipped, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no folder for host keys")

    if problem == "ssh":
        monkeypatch.setattr(shared, "ssh_of", refuse)
    else:
        monkeypatch.setattr(shipped.aws, "create_log_stream", refuse_stream)
    with shipped.ship(group=GROUP):
        shipped.node.log("steps/s-1/stdout", "one\n")
        shipped.entry("s-1", "COMPLETED")
    assert shipped.messages == []
    (told,) = shipped.reported
    assert told.startswith("CloudWatch")


def refuse_stream(*_: object) -> None:
    raise AwsError("not authorized", code="AccessDeniedException", operation="CreateLogStream")


def test_a_command_that_is_interrupted_does_not_wait_for_steps_that_go_on(
    shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "_INTERRUPTED_SECONDS", 0.1)

    def interrupt() -> None:
        with shipped.ship(group=GROUP):
            shipped.entry("s-1", "RUNNING")
            raise InterruptedRunError("stopped by SIGTERM")

    with pytest.raises(InterruptedRunError):
        interrupt()
    assert shipped.reported == ["CloudWatch Logs: the last lines of the logs may be missing there"]


def test_without_a_log_group_nothing_is_read(shipped: Shipped) -> None:
    with shipped.ship():
        shipped.entry("s-1", "COMPLETED")
    assert shipped.aws.log_streams == {}


def test_the_stream_of_an_airflow_run_has_a_name_that_cloudwatch_takes(identity: Identity) -> None:
    of = msgspec.structs.replace(identity, run_id="scheduled__2026-11-21T00:00:00+00:00")
    name = shipping.stream_of(of)
    assert name == f"{identity.pipeline}/scheduled__2026-11-21T00-00-00+00-00"
    assert msgspec.convert({"group": GROUP, "stream": name}, CloudwatchLogs).stream == name
