"""`kiln status` and `kiln list` show who works on a run, whatever the lock is like."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from drivers_world import STATE, Drivers

from kiln import cli
from kiln.commands import shared
from kiln.errors import ClusterNotFoundError
from kiln.ledger.schema import DEAD_SECONDS
from kiln.settings import inventories, resolve

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Drivers:
    one = Drivers()
    monkeypatch.setattr(resolve, "part", lambda *_: SimpleNamespace(kiln_state_uri=STATE))
    monkeypatch.setattr(inventories, "pipelines", lambda *_: ["model_building"])
    monkeypatch.setattr(shared, "context_of", lambda _: one.context())
    one.execution(one.enter("r1"), "r1", "launch").run()
    one.aws.objects[f"{STATE}/locks/local/model_building.json"] = b"damaged"
    return one


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        assert cli.main([*arguments, "--env", "local"]) == 0
        return capsys.readouterr().out

    return call


def drivers_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document.get("drivers") or document["runs"][0]["drivers"])


@pytest.mark.parametrize("command", [("status", "model_building"), ("list",)])
def test_a_living_and_a_dead_driver_are_shown_with_host_pid_and_age(
    world: Drivers, shown: Any, command: tuple[str, ...]
) -> None:
    (entry,) = world.remembered("r1").drivers
    text = shown(*command)
    assert f"command the whole run on host {entry.host}, pid {entry.pid}, last heartbeat" in text
    assert ", dead" not in text
    world.clock.seconds += DEAD_SECONDS + 60
    world.aws.s3_ahead = timedelta(seconds=-DEAD_SECONDS)
    assert ", dead" not in shown(*command)
    world.aws.s3_ahead = None
    assert ", dead" in shown(*command)
    (document,) = drivers_of(json.loads(shown(*command, "-o", "json")))
    assert (document["dead"], document["pid"], document["whole"]) == (True, entry.pid, True)
    assert document["heartbeat_age_seconds"] > DEAD_SECONDS


def test_nobody_is_shown_for_a_run_that_nobody_works_on(world: Drivers, shown: Any) -> None:
    world.aws.objects.clear()
    world.run("r2", "launch", most=2)
    document = json.loads(shown("status", "model_building", "--run-id", "r2", "-o", "json"))
    assert document["drivers"] == []


def test_work_on_a_run_that_is_not_there_leaves_no_ledger(world: Drivers) -> None:
    with pytest.raises(ClusterNotFoundError):
        world.run("r2", "cdd")
    assert world.ledger("r2").read() is None
