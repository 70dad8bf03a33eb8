"""The events that EMR sends, their messages and their order."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def events(emr: Any) -> list[dict[str, Any]]:
    return emr.events  # type: ignore[no-any-return]


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["detail"] for event in events if event["detail-type"] == kind]


def test_events_report_a_clusters_states_in_order(emr: Any, events: list[dict[str, Any]]) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    (step,) = emr.add(cluster_id, emr.step_request())
    emr.run_of(cluster_id, step).end(0)
    emr.until_step(cluster_id, step, "COMPLETED")
    emr.until(cluster_id, "WAITING")
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    sent = of(events, "EMR Cluster State Change")
    assert [d["state"] for d in sent] == ["STARTING", "WAITING", "RUNNING", "WAITING", "TERMINATED"]
    assert sent[0]["message"] == (
        f"Amazon EMR cluster {cluster_id} (test) was requested at 2026-11-01 12:00 UTC and is being created."
    )
    assert "finished running all pending steps at" in sent[3]["message"]
    assert sent[-1]["message"] == (
        f"Amazon EMR Cluster {cluster_id} (test) has terminated at 2026-11-01 12:00 UTC with a reason of "
        "USER_REQUEST."
    )
    assert json.loads(sent[-1]["stateChangeReason"]) == {
        "code": "USER_REQUEST",
        "message": "Terminated by user request",
    }
    assert sent[0]["stateChangeReason"] == '{"code":""}'
    assert {d["severity"] for d in sent} == {"INFO"}
    steps = of(events, "EMR Step Status Change")
    assert [d["state"] for d in steps] == ["PENDING", "RUNNING", "COMPLETED"]
    assert steps[2]["message"].endswith("and took 0 minutes to complete.")


def test_the_envelope_is_eventbridges(emr: Any, events: list[dict[str, Any]]) -> None:
    emr.until(emr.launch(), "WAITING")
    event = dict(events[0])
    assert len(event.pop("id")) == 36
    assert event.pop("detail")
    assert event == {
        "version": "0",
        "detail-type": "EMR Cluster State Change",
        "source": "aws.emr",
        "account": "123456789012",
        "time": "2026-11-01T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
    }


def test_a_failed_step_is_an_error_and_its_clusters_end_critical(
    emr: Any, events: list[dict[str, Any]]
) -> None:
    cluster_id = emr.launch()
    failing, waiting = emr.add(
        cluster_id, emr.step_request(action="TERMINATE_CLUSTER"), emr.step_request(name="after")
    )
    emr.run_of(cluster_id, failing).end(1)
    emr.until(cluster_id, "TERMINATED_WITH_ERRORS")
    steps = {(d["stepId"], d["state"]): d for d in of(events, "EMR Step Status Change")}
    assert steps[failing, "FAILED"]["severity"] == "ERROR"
    assert steps[failing, "FAILED"]["actionOnFailure"] == "TERMINATE_CLUSTER"
    assert steps[waiting, "CANCELLED"]["severity"] == "WARN"
    assert of(events, "EMR Cluster State Change")[-1]["severity"] == "CRITICAL"
