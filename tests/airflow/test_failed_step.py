"""A step that fails: the DAG is red, the cluster is gone or kept as asked, and people are told why, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_pipelines import CAUSE

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

# A mail's cause is read in a preview of some lines.
FIRST_LINES = 3


@pytest.mark.airflow_run("broken", "fails")
def test_a_failed_step_turns_the_dag_red_and_sends_one_mail_and_one_post_with_its_cause(
    world: AirflowWorld,
) -> None:
    assert world.api.wait_for_run("broken", "fails") == "failed"
    states = world.api.states("broken", "fails")
    assert (states["sd"], states["cdd"], states["terminate"]) == ("success", "failed", "success")
    (cluster,) = world.clusters("broken", "fails")
    assert cluster["Status"]["State"] == "TERMINATED"
    (mail,), (post,) = world.mails("fails"), world.posts("fails")
    assert CAUSE in "\n".join(mail.text.splitlines()[:FIRST_LINES])
    assert CAUSE in post


@pytest.mark.airflow_run("flaky", "retried")
def test_each_try_of_a_failing_step_sends_one_mail(world: AirflowWorld) -> None:
    assert world.api.wait_for_run("flaky", "retried") == "failed"
    assert world.api.tasks("flaky", "retried")["cdd"]["try_number"] == 2
    subjects = [mail.subject for mail in world.mails("retried")]
    assert len(subjects) == 2
    assert ["tried again" in subject for subject in subjects] == [True, False]
