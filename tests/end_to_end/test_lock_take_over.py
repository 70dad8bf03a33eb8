"""A driver that is killed, with real processes: the next run ends its cluster and takes over the lock."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from local_world import HANG_SECONDS

if TYPE_CHECKING:
    from subprocess import Popen

    from local_world import World

OK, LOCKED, SKIP = 0, 17, 99
FIRST, SECOND = (f"{name}-{uuid4().hex[:8]}" for name in ("killed", "next"))
RUN = ("run", "model_building", "--env", "local")


def wait_for_line(child: Popen[str], words: str) -> None:
    assert child.stderr is not None
    read = []
    for line in child.stderr:
        read.append(line)
        if words in line:
            return
    raise AssertionError("".join(read))


@pytest.mark.slow
def test_a_killed_run_is_replaced_by_the_next_one_and_refuses_it_before(world: World) -> None:
    child = world.start_kiln(*RUN, "--run-id", FIRST)
    wait_for_line(child, "j-")
    refused = world.kiln(*RUN, "--run-id", SECOND)
    assert refused.code == LOCKED, refused.said
    assert FIRST in refused.said
    assert f"pid {child.pid}" in refused.said
    same = world.kiln(*RUN, "--run-id", FIRST, "--if-running", "skip")
    assert same.code == SKIP, same.said
    shown = world.kiln("status", "model_building", "--env", "local", "--run-id", FIRST, "-o", "json")
    assert [(one["pid"], one["dead"]) for one in shown.result["drivers"]] == [(child.pid, False)]
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=HANG_SECONDS)
    cluster = world.cluster_of(FIRST)["Id"]
    launched = world.kiln(
        "run", "model_building", "launch", "--env", "local", "--run-id", SECOND, "--if-running", "wait"
    )
    assert launched.code == OK, launched.said
    assert world.cluster_of(FIRST)["Status"]["State"] == "TERMINATED"
    ended = world.kiln("run", "model_building", "terminate", "--env", "local", "--run-id", SECOND)
    assert ended.code == OK, ended.said
    objects = world.objects("kiln-local-state")
    (ledger,) = [json.loads(body) for key, body in objects.items() if key.endswith(f"/{FIRST}.json")]
    assert ledger["attempts"][0]["cluster_id"] == cluster
    assert "lock_taken_over" in [one["kind"] for one in ledger["events"]]
    (lock,) = [json.loads(body) for key, body in objects.items() if "/locks/" in key]
    assert lock["holders"] == []
