"""A cluster that is kept: messages say how to end it; if nobody does, the reaper ends it after its expiry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from airflow_world import LIVE

if TYPE_CHECKING:
    from airflow_world import AirflowWorld


def end_by_hand(world: AirflowWorld) -> str:
    """Wait for the run, and end its cluster as the mail says; return until when the cluster was held."""
    assert world.api.wait_for_run("broken", "keeps") == "failed"
    assert world.api.states("broken", "keeps")["terminate"] == "skipped"
    (cluster,) = world.clusters("broken", "keeps", "WAITING")
    held_until = world.held_until(cluster["Id"])
    world.hollow.kiln("run", "broken", "terminate", "--env", "local", "--run-id", "keeps")
    return held_until


@pytest.mark.airflow_run("broken", "keeps", {"terminate": False})
@pytest.mark.airflow_beside.with_args(end_by_hand)
def test_with_terminate_switched_off_the_cluster_stays_and_the_mail_says_how_to_end_it(
    world: AirflowWorld,
) -> None:
    assert world.after(end_by_hand)
    (kept,) = [mail for mail in world.mails("keeps") if "kept" in mail.subject]
    assert "kiln ssh broken --env local --run-id keeps" in kept.text
    assert "kiln run broken terminate --env local --run-id keeps" in kept.text
    assert world.clusters("broken", "keeps", "TERMINATED")


def sweep_after_the_expiry(world: AirflowWorld) -> None:
    """Wait for the run and for the end of the time that its cluster is held; sweep."""
    assert world.api.wait_for_run("kept", "leftover") == "success"
    # EMR may have ended it already: a hold is an idle time-out, too.
    (cluster,) = world.clusters("kept", "leftover")
    held_until = datetime.fromisoformat(world.held_until(cluster["Id"]))
    world.api.until(lambda: datetime.now(UTC) > held_until)
    world.hollow.kiln("reap", "--env", "local", "--yes")


@pytest.mark.airflow_run("kept", "leftover", {"terminate": False})
@pytest.mark.airflow_beside.with_args(sweep_after_the_expiry)
def test_one_sweep_after_its_expiry_nothing_is_left_of_a_run_that_nobody_ended(world: AirflowWorld) -> None:
    world.after(sweep_after_the_expiry)
    assert world.clusters("kept", "leftover", *LIVE) == []
