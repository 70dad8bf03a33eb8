"""What the ledger says about the code and the environment on a cluster's nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile import many, texts
from hypothesis import given
from run_world import World

from kiln.errors import UsageError, caught
from kiln.ledger import deployed
from kiln.ledger.deployed import Deployed

if TYPE_CHECKING:
    from kiln.ledger.schema import Run

COMMIT, OTHER = "a" * 40, "b" * 40
HASH = "0123456789abcdef"


def launched() -> World:
    world = World()
    assert world.run("launch").exit_code == 0
    return world


def known(world: World) -> tuple[str, str, str | None]:
    run = world.remembered()
    return run.deployed_commit, run.deployed_environment, run.deployed_cluster_id


def test_provision_and_deploy_each_record_their_part_once() -> None:
    world = launched()
    assert deployed.record(world.ledger, Deployed("j-0001", environment=HASH))
    assert deployed.record(world.ledger, Deployed("j-0001", commit=COMMIT))
    assert known(world) == (COMMIT, HASH, "j-0001")
    assert not deployed.record(world.ledger, Deployed("j-0001", commit=COMMIT, environment=HASH))
    assert deployed.record(world.ledger, Deployed("j-0001", commit=OTHER))
    assert known(world) == (OTHER, HASH, "j-0001")


def test_what_all_nodes_have_to_have_is_compared_with_what_each_one_has() -> None:
    world = launched()
    both = {"i-1": {"environment": HASH}, "i-2": {"environment": HASH}}
    deployed.record(world.ledger, Deployed("j-0001", items={"environment": HASH}, nodes=both))
    only = {"i-1": {"release": COMMIT}}
    deployed.record(world.ledger, Deployed("j-0001", items={"release": COMMIT}, nodes=only, is_whole=False))
    run = world.remembered()
    assert run.deployed_items == {"environment": HASH}
    assert deployed.differing(run, "j-0001", ["i-1", "i-2", "i-3"]) == ["i-3"]
    assert deployed.differing(run, "j-0002", ["i-3"]) == []
    deployed.record(
        world.ledger, Deployed("j-0001", items={"release": OTHER}, nodes={"i-2": {"release": OTHER}})
    )
    run = world.remembered()
    # All nodes are those of the last whole deploy.
    assert deployed.differing(run, "j-0001", ["i-1", "i-2"]) == ["i-1"]


def test_a_part_of_the_nodes_says_nothing_about_all() -> None:
    world = launched()
    nodes = {"i-1": {"release": COMMIT}}
    deployed.record(
        world.ledger,
        Deployed("j-0001", commit=COMMIT, items={"release": COMMIT}, nodes=nodes, is_whole=False),
    )
    assert known(world) == ("", "", "j-0001")
    assert world.remembered().deployed_items == {}


def test_a_new_cluster_has_nothing_of_the_one_before() -> None:
    world = launched()
    nodes = {"i-1": {"release": COMMIT}}
    deployed.record(
        world.ledger,
        Deployed("j-0001", commit=COMMIT, environment=HASH, items={"release": COMMIT}, nodes=nodes),
    )
    deployed.record(world.ledger, Deployed("j-0002", environment=HASH))
    assert known(world) == ("", HASH, "j-0002")
    assert (world.remembered().deployed_items, world.remembered().deployed_nodes) == ({}, {})


def active(world: World) -> list[str]:
    return deployed.commits_on(world.remembered(), "j-0001")


def test_the_order_of_activation_is_kept_and_a_rollback_undoes() -> None:
    world = launched()
    a, b, c = ("abc"[number] * 40 for number in range(3))
    for commit in (a, b, b, a, c):
        deployed.record(world.ledger, Deployed("j-0001", commit=commit))
    assert active(world) == [a, b, a, c]
    back = Deployed("j-0001", commit=a, is_rollback=True)
    assert deployed.record(world.ledger, back)
    assert not deployed.record(world.ledger, back)
    assert active(world) == [a, b, a]
    # One that was never active on this cluster, but lies there.
    other = "d" * 40
    deployed.record(world.ledger, Deployed("j-0001", commit=other, is_rollback=True))
    assert active(world) == [a, b, a, other]
    deployed.record(world.ledger, Deployed("j-0001", environment=HASH))
    assert active(world) == [a, b, a, other]
    assert known(world) == (other, HASH, "j-0001")
    deployed.record(world.ledger, Deployed("j-0002", commit=a))
    assert active(world) == []
    assert deployed.commits_on(world.remembered(), "j-0002") == [a]


def test_a_ledger_of_an_earlier_version_has_its_last_commit_only() -> None:
    world = launched()

    def earlier(run: Run) -> None:
        run.deployed_commit, run.deployed_cluster_id = COMMIT, "j-0001"

    world.ledger.update(earlier)
    assert active(world) == [COMMIT]
    deployed.record(world.ledger, Deployed("j-0001", commit=OTHER))
    assert active(world) == [COMMIT, OTHER]


def test_the_ledger_keeps_the_last_hundred_commits() -> None:
    world = launched()
    for number in range(103):
        deployed.record(world.ledger, Deployed("j-0001", commit=f"{number:040x}"))
    assert len(active(world)) == 100
    assert active(world)[-1] == f"{102:040x}"


def test_a_run_without_a_ledger_gets_none() -> None:
    world = World()
    assert not deployed.record(world.ledger, Deployed("j-0001", commit=COMMIT))
    assert world.aws.objects == {}


@pytest.mark.parametrize("commit", ["abc", "A" * 40, "a" * 41, f"{COMMIT}\n"])
def test_what_is_no_commit_is_refused_by_its_value(commit: str) -> None:
    with pytest.raises(UsageError, match="the commit on the nodes is"):
        deployed.record(launched().ledger, Deployed("j-0001", commit=commit))


@many
@given(commit=texts(COMMIT), environment=texts(HASH), cluster_id=texts("j-0001"))
def test_any_values_are_recorded_or_one_clear_error(commit: str, environment: str, cluster_id: str) -> None:
    world = WORLD
    error = caught(
        lambda: deployed.record(world.ledger, Deployed(cluster_id, commit=commit, environment=environment))
    )
    if error is not None:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        assert error.fix
    assert known(world)[0] in {"", COMMIT}
    assert known(world)[1] in {"", HASH}


WORLD = launched()
