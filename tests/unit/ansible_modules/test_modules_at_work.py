"""Modules are drivers of their run while they work, or a part of the driver that started the playbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from drivers_world import STATE, Drivers
from fakes import shape

from kiln import paths
from kiln.ansible_modules import cluster, options, step
from kiln.errors import FencedError, LockedError
from kiln.ledger.drivers import Work

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = {"region": "us-east-1", "state_uri": STATE}
RUN: dict[str, Any] = {"pipeline": "model_building", "environment": "local", "owner": "ops"}


class Module:
    """What AnsibleModule would be with these options."""

    check_mode = False

    def __init__(self, spec: dict[str, Any], given: dict[str, Any]) -> None:
        self.params = {name: option.get("default") for name, option in spec.items()} | ACCOUNT | given


def launch(world: Drivers, run_id: str = "r1", **more: Any) -> Any:
    wanted = {key: value for key, value in msgspec.to_builtins(shape()).items() if value is not None}
    given = RUN | wanted | {"run_id": run_id, "poll_interval_seconds": 5.0} | more
    return cluster.work(world.context(), Module(options.CLUSTER, given))


def end(world: Drivers, run_id: str = "r1") -> Any:
    return cluster.work(world.context(), Module(options.CLUSTER, RUN | {"run_id": run_id, "state": "absent"}))


def run_step(world: Drivers, name: str = "sd") -> Any:
    wanted = [{"name": name, "jar": "command-runner.jar", "args": ["true"]}]
    return step.work(world.context(), Module(options.STEP, {"cluster_id": "j-0001", "steps": wanted}))


def drivers_at(world: Drivers, call: str, work: Callable[[], Any]) -> list[list[str]]:
    """Return the phases of the drivers in the ledger at the next call of this name."""
    seen: list[list[str]] = []
    world.during(call, lambda: seen.extend(one.phases for one in world.remembered("r1").drivers))
    work()
    return seen


def test_a_module_by_hand_is_a_driver_while_it_works() -> None:
    world = Drivers()
    assert drivers_at(world, "RunJobFlow", lambda: launch(world)) == [["launch"]]
    assert drivers_at(world, "AddJobFlowSteps", lambda: run_step(world)) == [["sd"]]
    assert world.remembered("r1").drivers == []


def test_a_launch_by_hand_holds_the_pipeline_until_the_end_of_its_cluster() -> None:
    world = Drivers()
    launch(world)
    with pytest.raises(LockedError, match="cluster j-0001"):
        world.enter("r2")
    end(world)
    assert world.holders() == []
    world.enter("r2")


def test_a_launch_by_hand_is_refused_while_another_run_is_about_to_launch() -> None:
    world = Drivers()
    world.enter("r1")
    with pytest.raises(LockedError, match="run r1"):
        launch(world, "r2", allow_second=False)
    assert launch(world, "r2", allow_second=True)["changed"]


def test_a_module_by_hand_is_refused_while_a_driver_is_at_the_same_step() -> None:
    world = Drivers()
    world.run("r1", "launch")
    world.enter("r1", Work(["sd"]), None)
    with pytest.raises(LockedError, match="another command works on run r1"):
        run_step(world)
    assert run_step(world, "cdd")["changed"]


def test_a_module_of_a_driver_begins_only_what_that_driver_may(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Drivers()
    at_work = world.enter("r1")
    monkeypatch.setenv(paths.DRIVER_VARIABLE, at_work.presence.id)
    launch(world)
    assert world.remembered("r1").drivers[0].id == at_work.presence.id
    at_work.presence.leave()
    with pytest.raises(FencedError):
        run_step(world)
    assert world.aws.clusters["j-0001"].steps == []


def test_the_variable_of_another_shell_reaches_no_playbook(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv(paths.DRIVER_VARIABLE, "somebody")
    assert paths.DRIVER_VARIABLE not in paths.clean_environment(tmp_path)
