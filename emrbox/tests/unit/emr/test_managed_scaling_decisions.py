"""The sizes that managed scaling asks for: by the Management Guide's scenarios, and by properties."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrbox.emr.life.load import Load
from emrbox.emr.life.managed_scaling import Balance, Limits, Pool, balance, needed_units, wished

CORE = ("CORE", "ON_DEMAND")
CORE_SPOT = ("CORE", "SPOT")
TASK = ("TASK", "ON_DEMAND")
TASK_SPOT = ("TASK", "SPOT")


def limits(minimum: int, maximum: int, on_demand: int | None = None, core: int | None = None) -> Limits:
    found = {"UnitType": "Instances", "MinimumCapacityUnits": minimum, "MaximumCapacityUnits": maximum}
    if on_demand is not None:
        found["MaximumOnDemandCapacityUnits"] = on_demand
    if core is not None:
        found["MaximumCoreCapacityUnits"] = core
    return Limits.of({"ComputeLimits": found})


def pools(sizes: dict[tuple[str, str], int], **more: Any) -> list[Pool]:
    return [
        Pool(f"{role}-{market}", role, market, size, least=int(role == "CORE" and size > 0), **more)
        for (role, market), size in sizes.items()
    ]


def sizes(found: list[Pool]) -> dict[tuple[str, str], int]:
    return {(pool.role, pool.market): pool.size for pool in found}


@pytest.mark.parametrize(
    ("within", "before", "after"),
    [
        # Scenario 1: core nodes only.
        (limits(1, 20, 20, 20), {CORE: 1, TASK: 1, TASK_SPOT: 1}, {CORE: 18, TASK: 1, TASK_SPOT: 1}),
        # Scenario 2: task nodes only.
        (limits(2, 20, core=2), {CORE: 2, TASK_SPOT: 1}, {CORE: 2, TASK_SPOT: 18}),
        # Scenario 3: on-demand instances only, split between core and task nodes.
        (limits(1, 20, 20, 12), {CORE: 1, TASK: 1}, {CORE: 12, TASK: 8}),
        # Scenario 4: spot instances only.
        (limits(1, 20, 0), {CORE_SPOT: 1, TASK_SPOT: 1}, {CORE_SPOT: 19, TASK_SPOT: 1}),
        # Scenario 5: on-demand core nodes, spot task nodes; one of the on-demand ones is a task node.
        (limits(1, 20, 7, 7), {CORE: 1, TASK: 1, TASK_SPOT: 1}, {CORE: 6, TASK: 1, TASK_SPOT: 13}),
    ],
)
def test_under_load_it_grows_as_in_the_scenarios_of_the_guide(
    within: Limits, before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]
) -> None:
    assert sizes(wished(within, pools(before), needed=1000)) == after


def test_task_nodes_leave_before_core_nodes_and_only_those_that_idle() -> None:
    before = {CORE: 3, TASK: 2, TASK_SPOT: 2}
    assert sizes(wished(limits(2, 20), pools(before, idle=9), needed=0)) == {CORE: 2, TASK: 0, TASK_SPOT: 0}
    assert sizes(wished(limits(2, 20), pools(before, idle=1), needed=0)) == {CORE: 2, TASK: 1, TASK_SPOT: 1}
    assert sizes(wished(limits(2, 20), pools(before), needed=0)) == before


def test_above_the_maximum_working_nodes_leave_too() -> None:
    before = {CORE: 3, TASK_SPOT: 5}
    assert sizes(wished(limits(2, 4), pools(before), needed=1000)) == {CORE: 3, TASK_SPOT: 1}


def test_instances_of_several_vcpus_leave_and_come_whole() -> None:
    within = limits(4, 22)
    assert sizes(wished(within, pools({CORE: 2}, cost=4), needed=9)) == {CORE: 3}
    assert sizes(wished(within, pools({CORE: 2}, cost=4), needed=1000)) == {CORE: 5}
    assert sizes(wished(limits(6, 22), pools({CORE: 4}, cost=4, idle=4), needed=0)) == {CORE: 2}


def test_what_did_not_get_its_instances_is_passed_over() -> None:
    stuck, other = Pool("a", "TASK", "ON_DEMAND", 2, can_grow=False), Pool("b", "TASK", "SPOT", 1)
    assert sizes(wished(limits(1, 20), [stuck, other], needed=7)) == {TASK: 2, TASK_SPOT: 5}


BUSY = Load(total_mb=8000, allocated_mb=8000, pending_mb=8000, containers_pending=8)
LITTLE = Load(total_mb=8000, allocated_mb=1000)


@pytest.mark.parametrize(
    ("load", "running", "units"),
    [(BUSY, 2, 4), (LITTLE, 2, 1), (Load(), 0, 0), (Load(containers_pending=3, pending_mb=3000), 0, 1)],
)
def test_a_load_needs_memory(load: Load, running: int, units: int) -> None:
    assert needed_units(load, running) == units


def test_nodes_are_short_while_containers_wait_and_ample_when_fewer_would_do() -> None:
    assert balance(BUSY, needed=1, size=2) is Balance.SHORT
    assert balance(LITTLE, needed=1, size=2) is Balance.AMPLE
    assert balance(LITTLE, needed=1, size=1) is Balance.EVEN


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    maximum = draw(st.integers(1, 40))
    return limits(
        draw(st.integers(1, maximum)), maximum, draw(st.integers(0, maximum)), draw(st.integers(1, maximum))
    )


@st.composite
def any_pools(draw: st.DrawFn) -> list[Pool]:
    found = []
    for number, (role, market) in enumerate(
        draw(st.lists(st.sampled_from([CORE, CORE_SPOT, TASK, TASK_SPOT])))
    ):
        size = draw(st.integers(0, 12))
        idle, least = draw(st.integers(0, size)), draw(st.integers(0, size))
        cost, can_grow = draw(st.sampled_from([1, 1, 4])), draw(st.booleans())
        found.append(
            Pool(str(number), role, market, size, idle=idle, least=least, cost=cost, can_grow=can_grow)
        )
    return found


def units(found: list[Pool]) -> int:
    return sum(pool.units for pool in found)


@given(any_limits(), any_pools(), st.integers(0, 100))
def test_whatever_the_load_sizes_stay_within_the_limits(
    within: Limits, before: list[Pool], needed: int
) -> None:
    after = wished(within, before, needed)
    was, is_now = ({pool.group_id: pool for pool in found} for found in (before, after))
    assert was.keys() == is_now.keys()
    grown = [is_now[i] for i in was if is_now[i].size > was[i].size]
    shrunk = [is_now[i] for i in was if is_now[i].size < was[i].size]
    assert not (grown and shrunk)
    assert all(pool.can_grow for pool in grown)
    assert all(pool.size >= pool.least for pool in shrunk)
    if grown:
        assert units(after) <= within.maximum
    if any(pool.role == "CORE" for pool in grown):
        assert units([pool for pool in after if pool.role == "CORE"]) <= within.maximum_core
    if any(pool.market == "ON_DEMAND" for pool in grown):
        assert units([pool for pool in after if pool.market == "ON_DEMAND"]) <= within.maximum_on_demand
    if units(before) <= within.maximum:
        assert all(was[pool.group_id].size - pool.size <= was[pool.group_id].idle for pool in shrunk)
        assert units(after) >= min(units(before), max(needed, within.minimum))


@given(any_limits(), any_pools(), st.integers(0, 100))
def test_what_is_wished_for_is_wished_for_again(within: Limits, before: list[Pool], needed: int) -> None:
    after = wished(within, before, needed)
    assert wished(within, after, needed) == sorted(after, key=after.index)
