"""A cluster that is kept: a message says how to reach and end it; if nobody does, the reaper ends it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from airflow_pipelines import BRIEFLY_HELD
from airflow_world import LIVE

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

RUN = "keeps"
WHERE = f"--env local --run-id {RUN}"


def sweep_after_the_expiry(world: AirflowWorld) -> str:
    """Wait for the run and for the end of the time that its cluster is held; sweep; return that time."""
    assert world.api.wait_for_run(BRIEFLY_HELD, RUN) == "failed"
    # EMR may have ended it already: a hold is an idle time-out, too.
    (cluster,) = world.clusters(BRIEFLY_HELD, RUN)
    held_until = world.held_until(cluster["Id"])
    world.api.until(lambda: datetime.now(UTC) > datetime.fromisoformat(held_until))
    world.hollow.kiln("reap", "--env", "local", "--yes")
    return held_until


@pytest.mark.airflow_run(BRIEFLY_HELD, RUN, {"terminate": False})
@pytest.mark.airflow_beside.with_args(sweep_after_the_expiry)
def test_with_terminate_switched_off_the_cluster_stays_and_the_mail_says_how_to_end_it(
    world: AirflowWorld,
) -> None:
    held_until = world.after(sweep_after_the_expiry)
    states = world.api.states(BRIEFLY_HELD, RUN)
    assert (states["cdd"], states["terminate"]) == ("failed", "skipped")
    (kept,) = [mail for mail in world.mails(RUN) if "kept" in mail.subject]
    assert f"Kept to:   {held_until}\n" in kept.text
    lines = [line.strip() for line in kept.text.splitlines()]
    typed = {shlex.join(shlex.split(line)[1:]) for line in lines if "kiln " in line}
    assert {f"ssh {BRIEFLY_HELD} {WHERE}", f"run {BRIEFLY_HELD} terminate {WHERE}"} <= typed
    (cluster,) = world.clusters(BRIEFLY_HELD, RUN)
    task_ended = datetime.fromisoformat(world.api.tasks(BRIEFLY_HELD, RUN)["terminate"]["end_date"])
    assert cluster["Status"]["Timeline"]["EndDateTime"] > task_ended


def test_one_sweep_after_its_expiry_nothing_is_left_of_a_run_that_nobody_ended(world: AirflowWorld) -> None:
    world.after(sweep_after_the_expiry)
    assert world.clusters(BRIEFLY_HELD, RUN, *LIVE) == []
