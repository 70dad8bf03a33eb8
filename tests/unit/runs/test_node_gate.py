"""Nodes that joined later: set up before the next step begins, and while one runs; or named."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from run_world import World

from kiln import phases
from kiln.aws import effects
from kiln.errors import InterruptedRunError, PlaybookError
from kiln.exit_codes import ExitCode
from kiln.ledger import deployed
from kiln.ledger.deployed import Deployed
from kiln.runs.node_gate import NodeGate

if TYPE_CHECKING:
    from collections.abc import Callable

CLUSTER = "j-0001"
COMMIT = "a" * 40
ITEMS = {"packages": "0" * 16, "release": COMMIT}
OLD, NEW = (f"i-{number:017x}" for number in (1, 2))


def node(number: int, state: str = "RUNNING") -> effects.Instance:
    return effects.Instance(
        id=f"ci-{number}",
        ec2_instance_id=f"i-{number:017x}",
        private_ip_address=f"10.0.0.{number}",
        group="CORE",
        state=state,
    )


def of_nodes(*instance_ids: str) -> Deployed:
    return Deployed(CLUSTER, commit=COMMIT, items=ITEMS, nodes=dict.fromkeys(instance_ids, ITEMS))


@pytest.fixture
def world() -> World:
    """A launched cluster whose first node has everything, and a second one that has nothing yet."""
    world = World()
    world.run("launch")
    deployed.record(world.ledger, of_nodes(OLD))
    world.aws.nodes[CLUSTER] = [node(1), node(2)]
    return world


def gate(world: World) -> NodeGate:
    return NodeGate(
        cluster_id=CLUSTER,
        ledger=lambda: world.ledger,
        playbooks=world.playbooks,
        arguments=["-e", "{}"],
        reporter=world.reporter,
        seconds_left=lambda: 1000.0,
    )


def set_up(world: World) -> Callable[[], None]:
    """Return what the playbook does when it works: the node has everything then."""
    part = Deployed(CLUSTER, items=ITEMS, nodes={NEW: ITEMS}, is_whole=False)

    def work() -> None:
        deployed.record(world.ledger, part)

    return work


def options(arguments: list[str]) -> dict[str, Any]:
    """Return what -e sets."""
    pairs = itertools.pairwise(arguments)
    found: dict[str, Any] = {}
    for option, value in pairs:
        if option == "-e":
            found |= json.loads(value)
    return found


def test_a_node_that_differs_is_set_up_before_a_step_begins(world: World) -> None:
    world.playbooks.during[phases.NODES.name] = set_up(world)
    gate(world).check(world.context)
    assert world.playbooks.ran == ["launch", "nodes"]
    arguments = world.playbooks.arguments[-1]
    assert options(arguments) == {"model_repo_version": COMMIT, "emr_target_instances": [NEW]}
    assert arguments[arguments.index("--tags") + 1] == "packages,model_repo"
    gate(world).check(world.context)
    assert world.playbooks.ran == ["launch", "nodes"]


def test_nothing_is_asked_for_a_run_that_has_put_nothing_on_nodes() -> None:
    world = World()
    world.run("launch")
    world.aws.nodes[CLUSTER] = [node(2)]
    before = len(world.aws.calls)
    gate(world).check(world.context)
    assert "ListInstances" not in world.aws.calls[before:]
    assert gate(world).see_to_new(world.context)


def test_a_node_that_still_differs_is_named_and_the_step_is_not_added(world: World) -> None:
    with pytest.raises(PlaybookError, match=rf"10\.0\.0\.2 \({NEW}\) of cluster {CLUSTER} differ") as caught:
        gate(world).check(world.context)
    assert caught.value.exit_code == ExitCode.PROVISION
    result = world.run("sd")
    assert (result.exit_code, result.phase) == (ExitCode.PROVISION, "sd")
    assert "AddJobFlowSteps" not in world.aws.calls


def test_a_playbook_that_fails_fails_the_step(world: World) -> None:
    world.playbooks.fail[phases.NODES.name] = PlaybookError("nodes: 10.0.0.2: packages: no space left")
    result = world.run("sd")
    assert (result.exit_code, result.message) == (
        ExitCode.PROVISION,
        "nodes: 10.0.0.2: packages: no space left",
    )


def test_while_a_step_runs_a_failure_is_only_reported(world: World) -> None:
    world.playbooks.fail[phases.NODES.name] = PlaybookError("nodes: 10.0.0.2 is dead")
    assert not gate(world).see_to_new(world.context)
    assert world.reporter.lines[-1] == (
        f"nodes that joined cluster {CLUSTER} were not set up: nodes: 10.0.0.2 is dead"
    )


def test_a_node_is_set_up_while_its_bootstrap_actions_run_and_keeps_no_step_waiting(world: World) -> None:
    world.aws.nodes[CLUSTER] = [node(1), node(2, "BOOTSTRAPPING")]
    gate(world).check(world.context)
    assert world.playbooks.ran == ["launch"]
    world.playbooks.during[phases.NODES.name] = set_up(world)
    assert not gate(world).see_to_new(world.context)
    assert world.playbooks.ran == ["launch", "nodes"]
    world.aws.nodes[CLUSTER] = [node(1), node(2)]
    assert gate(world).see_to_new(world.context)


def test_a_node_that_has_no_address_yet_is_looked_at_again(world: World) -> None:
    world.aws.nodes[CLUSTER] = [node(1), node(2, "PROVISIONING")]
    assert not gate(world).see_to_new(world.context)
    assert world.playbooks.ran == ["launch"]


def test_ctrl_c_is_no_failure_of_a_node(world: World) -> None:
    world.context.stop.request(2)
    with pytest.raises(InterruptedRunError):
        gate(world).see_to_new(world.context)
