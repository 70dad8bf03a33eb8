"""A step that fails: the DAG is red, the cluster is gone or kept as asked, and people are told why, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_pipelines import CAUSE

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

# A mail's cause is read in a preview of some lines.
FIRST_LINES = 3
TRIES = 2


@pytest.mark.airflow_run("flaky", "retried")
def test_a_failed_step_turns_the_dag_red_and_each_try_sends_one_mail_and_one_post_with_its_cause(
    world: AirflowWorld,
) -> None:
    assert world.api.wait_for_run("flaky", "retried") == "failed"
    states = world.api.states("flaky", "retried")
    assert (states["sd"], states["cdd"], states["terminate"]) == ("success", "failed", "success")
    assert world.api.tasks("flaky", "retried")["cdd"]["try_number"] == TRIES
    (cluster,) = world.clusters("flaky", "retried")
    assert cluster["Status"]["State"] == "TERMINATED"
    mails, posts = world.mails("retried"), world.posts("retried")
    assert ["tried again" in mail.subject for mail in mails] == [True, False]
    assert len(posts) == TRIES
    for text in (*(mail.text for mail in mails), *posts):
        assert CAUSE in "\n".join(text.splitlines()[:FIRST_LINES])
