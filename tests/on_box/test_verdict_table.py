"""Every row of the verdict table on a box: a fault is switched on, and the run ends as the row says.

Hollow clusters on a clock that is moved; the calls, the launch, the steps and the end are Kiln's own.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from box_world import STEPS, DriverKilled

from kiln import phases
from kiln.emr import verdict_table
from kiln.emr.states import Verdict
from kiln.errors import PlaybookError
from kiln.settings.model import BootstrapAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from box_world import BoxWorld

    from kiln.emr.verdict_facts import Evidence
    from kiln.runs.result import Result

ACTIONS = (BootstrapAction(name="setup", path="s3://scripts/setup.sh"),)
PROVISION, TERMINATE = phases.PROVISION.name, phases.TERMINATE.name
LAUNCH = phases.LAUNCH.name
# A step takes ten minutes, and something happens to it after one.
STEP_SECONDS, SOON = 600, 60.0
REFUSED: dict[str, Any] = {"code": "AccessDeniedException", "message": "not authorized", "status": 400}


def whole(world: BoxWorld, **script: Any) -> Result:
    """Run the whole pipeline; its steps do as `script` says."""
    world.account.script_step("sd", seconds=STEP_SECONDS, **script)
    return world.run()


def start_fails(world: BoxWorld, reason: str, message: str = "", detail: str = "") -> Result:
    world.fault("start-fails", reason=reason, message=message, detail=detail)
    return world.run()


def bootstrap_fails(world: BoxWorld, role: str) -> Result:
    world.shape(bootstrap_actions=ACTIONS)
    world.fault("bootstrap-fails", role=role)
    return world.run()


def no_capacity(world: BoxWorld, role: str, **changes: Any) -> Result:
    world.shape(**changes)
    world.fault("no-capacity", role=role)
    return world.run()


def nodes_lost(
    world: BoxWorld, kind: str, shape: dict[str, Any], script: dict[str, Any], **how: Any
) -> Result:
    world.shape(**shape)
    wanted: dict[str, Any] = {"state": "RUNNING", "after_seconds": SOON} | how
    world.fault(kind, **wanted)
    return whole(world, **script)


def cluster_fails(world: BoxWorld, reason: str, message: str = "") -> Result:
    world.fault("cluster-fails", state="RUNNING", after_seconds=SOON, reason=reason, message=message)
    return whole(world)


def launch_refused(world: BoxWorld) -> Result:
    world.shape(release_label="emr-0.1.0")
    return world.run()


def launch_forbidden(world: BoxWorld) -> Result:
    world.fault("error", operation="RunJobFlow", **REFUSED)
    return world.run()


def lost_before_it_was_up(world: BoxWorld) -> Result:
    world.fault("core-lost")
    return world.run()


def ended_by_another_step(world: BoxWorld) -> Result:
    world.run(LAUNCH)
    world.add_as_administrator("other", "TERMINATE_CLUSTER", "--seconds", "60", "--exit-code", "1")
    return world.run("sd")


def idle(world: BoxWorld) -> Result:
    """Let a playbook work longer than the auto-termination policy waits: that is no activity for EMR."""
    world.shape(idle_timeout_seconds=600)
    world.playbooks.seconds[PROVISION] = 3600
    return playbook_fails(world)


def playbook_fails(world: BoxWorld) -> Result:
    world.playbooks.fail[PROVISION] = PlaybookError(f"{PROVISION}: task 'Install' failed on 10.0.0.7")
    return world.run()


def by_administrator(world: BoxWorld, act: str) -> Result:
    """Let somebody else act while the first step runs."""
    world.run(LAUNCH)
    world.clock.after(SOON, getattr(world, act))
    world.account.script_step("sd", seconds=STEP_SECONDS)
    return world.run("sd")


def interrupted(world: BoxWorld) -> Result:
    """Lose the master, and at the same moment the permission to ask what has become of the cluster."""

    def lose() -> None:
        world.fault("master-lost")
        world.fault("error", operation="DescribeCluster", **REFUSED)

    world.run(LAUNCH)
    world.account.script_step("sd", seconds=STEP_SECONDS)
    world.clock.after(SOON, lose)
    return world.run("sd")


def driver_killed(world: BoxWorld) -> None:
    """Leave a run whose step nobody waits for any more."""
    world.account.script_step("sd", seconds=STEP_SECONDS)
    world.clock.after(SOON, world.kill_driver)
    with suppress(DriverKilled):
        world.run(f"{LAUNCH},sd")


def forgotten(world: BoxWorld) -> Result:
    driver_killed(world)
    world.terminate_as_administrator()
    world.clock.advance(61 * 86400)
    return looked_back(world)


def looked_back(world: BoxWorld) -> Result:
    """Return what the command shows that ends the run's cluster, if it has one."""
    return world.run(TERMINATE)


def refused_during(world: BoxWorld, operation: str) -> Result:
    world.run(LAUNCH)
    world.fault("error", operation=operation, **REFUSED)
    world.run("sd")
    world.account.box.post("faults", clear=True)
    # After that no recorded class counts any more: the table decides from the ledger and AWS.
    world.step_by_playbook(STEPS[1])
    return looked_back(world)


def only_launched(world: BoxWorld) -> Result:
    world.run(LAUNCH)
    return looked_back(world)


BOOT, INTERNAL, INVALID = "BOOTSTRAP_FAILURE", "INTERNAL_ERROR", "VALIDATION_ERROR"
FAILS = {"exit_code": 1}
SCENARIOS: dict[str, Callable[[BoxWorld], Result]] = {
    "complete": whole,
    "no_step": only_launched,
    "launch_forbidden": launch_forbidden,
    "launch_refused": launch_refused,
    "spot_capacity": partial(no_capacity, role="MASTER", master_market="SPOT"),
    "ec2_capacity": partial(no_capacity, role="CORE"),
    "bootstrap_exit_code": partial(bootstrap_fails, role="MASTER"),
    "bootstrap_script_missing": partial(
        start_fails, reason=BOOT, detail="BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY"
    ),
    "bootstrap_disk_full": partial(
        start_fails, reason=BOOT, detail="BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_WORKER"
    ),
    "bootstrap_metastore": partial(
        start_fails, reason=BOOT, detail="BOOTSTRAP_FAILURE_HIVE_METASTORE_CONNECTION_ERROR_PRIMARY"
    ),
    "bootstrap": partial(bootstrap_fails, role="CORE"),
    "spot_loss": partial(
        nodes_lost,
        kind="spot-interruption",
        shape={"core_market": "SPOT"},
        script=FAILS,
        role="CORE",
        notice_seconds=120.0,
    ),
    "no_slave_left": partial(cluster_fails, reason=INTERNAL, message="NO_SLAVE_LEFT"),
    "no_master": partial(nodes_lost, kind="master-lost", shape={}, script={}),
    "no_core": lost_before_it_was_up,
    "core_lost": partial(nodes_lost, kind="core-lost", shape={}, script=FAILS, instances=1, replaced=1),
    "fleet_timeout": partial(start_fails, reason="INSTANCE_FLEET_TIMEOUT"),
    "capacity_text": partial(
        start_fails, reason=INTERNAL, message="EC2 is out of capacity for r5.24xlarge in us-east-1a."
    ),
    "quota_text": partial(
        start_fails, reason=INTERNAL, message="Request exceeds the EC2 service quota for that type."
    ),
    "ec2_throttled": partial(
        start_fails,
        reason=INTERNAL,
        message="Failed to provision instances due to throttling from Amazon EC2",
    ),
    "role_forbidden": partial(
        start_fails, reason=INVALID, message="Service role kiln has insufficient EC2 permissions"
    ),
    "validation": partial(start_fails, reason=INVALID, detail="VALIDATION_ERROR_INVALID_SSH_KEY_NAME"),
    "emr_internal": partial(cluster_fails, reason=INTERNAL, message="An internal error occurred."),
    "out_of_memory": partial(whole, exit_code=1, message="java.lang.OutOfMemoryError: Java heap space"),
    "step_failed": partial(whole, exit_code=1),
    "ended_by_step": ended_by_another_step,
    "idle": idle,
    "ended_by_user": partial(by_administrator, act="terminate_as_administrator"),
    "step_cancelled": partial(by_administrator, act="cancel_as_administrator"),
    "step_interrupted": interrupted,
    "cluster_gone": forgotten,
    "playbook_failed": playbook_fails,
    "step_without_end": partial(refused_during, operation="AddJobFlowSteps"),
    "phase_failed": partial(refused_during, operation="DescribeCluster"),
    "running": lambda world: world.run(LAUNCH),
    "launch_unknown": partial(start_fails, reason=""),
    "unknown": partial(cluster_fails, reason=""),
}
# What a command finds that ends the run's cluster and succeeds in that: its own exit code is 0.
LOOKED_BACK = {"cluster_gone", "step_without_end", "phase_failed"}
ROWS = {row.name: row for row in verdict_table.TABLE}


def test_every_row_has_a_scenario_and_every_scenario_a_row() -> None:
    assert list(SCENARIOS) == list(ROWS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_ends_as_its_row_says(name: str, world: BoxWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[tuple[str, Evidence]] = []
    judge = verdict_table.judge

    def recorded(seen: Evidence) -> verdict_table.Row:
        row = judge(seen)
        judged.append((row.name, seen))
        return row

    monkeypatch.setattr(verdict_table, "judge", recorded)
    result = SCENARIOS[name](world)
    row = ROWS[name]
    assert judged[-1][0] == name, (judged, result)
    shown = result.verdict, result.failure_class, result.exit_code
    code = 0 if name in LOOKED_BACK else int(row.exit_code)
    kind = row.failure_class.value if row.failure_class else ""
    assert shown == (row.verdict.value, kind, code), result.message


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_row(verdict: Verdict) -> None:
    assert verdict in {row.verdict for row in ROWS.values()}
