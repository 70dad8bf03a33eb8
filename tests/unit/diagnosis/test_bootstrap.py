"""A bootstrap action that fails: the first line has script, node, exit code and line."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from fakes import START
from hostile import many, texts
from hypothesis import given

from kiln.aws import effects
from kiln.diagnosis import bootstrap, logs
from kiln.errors import LaunchError

if TYPE_CHECKING:
    from fakes import FakeAws

    from kiln.aws.context import Context

MASTER, CORE = "i-0123456789abcdef0", "i-0123456789abcdef1"
MESSAGE = f"On the master instance ({MASTER}), bootstrap action 2 returned a non-zero return code"
SCRIPT = "/mnt/var/lib/bootstrap-actions/2/install.sh"


def cluster(state: str = "TERMINATED_WITH_ERRORS", **changes: Any) -> effects.Cluster:
    values: dict[str, Any] = {
        "id": "j-1",
        "name": "x",
        "state": state,
        "created_at": START,
        "tags": {},
        "log_uri": "s3://logs/emr/",
        "reason_code": "BOOTSTRAP_FAILURE",
        "reason_message": MESSAGE,
    }
    return effects.Cluster(**values | changes)


def store(aws: FakeAws, number: int = 2, node: str = MASTER, **files: str) -> None:
    for name, text in files.items():
        key = f"s3://logs/emr/j-1/node/{node}/bootstrap-actions/{number}/{name}.gz"
        aws.objects[key] = gzip.compress(text.encode())


def headline(aws: FakeAws) -> str:
    cause = bootstrap.cause_of(aws, cluster())
    assert cause is not None
    assert cause.kind == "bootstrap_action"
    return cause.headline


CONTROLLER = f"INFO running {SCRIPT} --flag\nINFO ended with exit code 3\n"


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (f"{SCRIPT}: line 7: nosuch: command not found\n", "line 7: nosuch: command not found"),
        (
            "+ dnf install -y jq\n+ curl http://repo/x\ncurl: (6) Could not resolve host: repo\n",
            "curl: (6) Could not resolve host: repo (after: curl http://repo/x)",
        ),
        ("+ cp a b\n+ false\n", "at: false"),
        ("E: no package\n", "E: no package"),
    ],
)
def test_the_line_of_the_script_is_named(aws: FakeAws, stderr: str, reason: str) -> None:
    store(aws, 1, controller="INFO ended with exit code 0\n", stderr="noise\n")
    store(aws, controller=CONTROLLER, stderr=stderr)
    expected = f"bootstrap action 2 (install.sh) on {MASTER} exited with status 3: {reason}"
    assert headline(aws) == expected


def test_what_a_script_printed_is_the_reason_when_it_has_no_errors(aws: FakeAws) -> None:
    store(aws, controller=CONTROLLER, stdout="checking\nno token\n")
    assert headline(aws).endswith("exited with status 3: no token")


def test_a_known_cause_has_its_own_advice(aws: FakeAws) -> None:
    store(aws, controller=CONTROLLER, stderr="cp: error: No space left on device\n")
    cause = bootstrap.cause_of(aws, cluster())
    assert cause is not None
    assert "emr_cluster_ebs_root_volume_size_gb" in cause.advice


def test_without_a_node_in_the_message_any_node_is_read(aws: FakeAws) -> None:
    store(aws, node=CORE, controller=CONTROLLER, stderr="gone\n")
    cause = bootstrap.cause_of(aws, cluster(reason_message="bootstrap failed"))
    assert cause is not None
    assert CORE in cause.headline


def test_another_end_of_a_cluster_reads_no_logs(aws: FakeAws) -> None:
    store(aws, controller=CONTROLLER, stderr="x\n")
    assert bootstrap.cause_of(aws, cluster(reason_code="VALIDATION_ERROR")) is None
    assert aws.calls == []


class Ending:
    """A cluster that ends, and whose logs come a while after the error."""

    def __init__(self, aws: FakeAws, logs_after: float, ended_after: float) -> None:
        self._aws, self._logs_after, self._ended_after = aws, logs_after, ended_after

    def describe_cluster(self, cluster_id: str) -> effects.Cluster:
        seconds = self._aws.clock.monotonic()
        if seconds >= self._logs_after:
            store(self._aws, controller=CONTROLLER, stderr=f"{SCRIPT}: line 7: gone\n")
        return cluster(
            "TERMINATING" if seconds < self._ended_after else "TERMINATED_WITH_ERRORS", id=cluster_id
        )


def fail(context: Context) -> LaunchError:
    with pytest.raises(LaunchError) as raised, bootstrap.explained(context, "j-1"):
        raise LaunchError("cluster j-1 did not start", fix="logs: s3://logs/emr/j-1/node/")
    return raised.value


def test_a_launch_waits_for_the_logs_of_its_bootstrap_action(
    context: Context, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "describe_cluster", Ending(aws, 20, 40).describe_cluster)
    error = fail(context)
    assert error.message.startswith("cluster j-1 did not start: bootstrap action 2 (install.sh)")
    assert error.message.endswith("line 7: gone")
    assert error.details[0] == "cluster j-1 did not start"
    assert "emr_cluster_bootstrap_actions" in error.fix


@pytest.mark.parametrize("ended_after", [30.0, 4000.0])
def test_logs_that_do_not_come_change_nothing(
    context: Context, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, ended_after: float
) -> None:
    monkeypatch.setattr(aws, "describe_cluster", Ending(aws, 5000, ended_after).describe_cluster)
    error = fail(context)
    assert (error.message, error.fix) == ("cluster j-1 did not start", "logs: s3://logs/emr/j-1/node/")
    assert aws.clock.monotonic() <= 61


@many
@given(texts(SCRIPT, ": line 7: ", "+ ", "\n"), texts("exit code 3", SCRIPT, "\n"))
def test_any_text_of_a_script_has_a_first_line(stderr: str, controller: str) -> None:
    place = f"s3://logs/emr/j-1/node/{MASTER}/bootstrap-actions/2/"
    found = [
        logs.Log(address=f"{place}controller.gz", text=controller),
        logs.Log(address=f"{place}stderr.gz", text=stderr),
    ]
    cause = bootstrap.of_logs(found)
    assert cause is not None
    assert len(cause.headline) <= 300
    assert len(cause.headline.splitlines()) == 1
