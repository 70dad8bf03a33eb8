"""Events that are lost, doubled and overtaken on their way to a queue, and logs that come late to S3."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from emr_account import BUCKET, Account
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.box

HOLLOW = [{"Key": "emrbox:hollow", "Value": "true"}]
LATE_SECONDS = 8


class Listener:
    """A queue that hears of every change of a cluster's state."""

    def __init__(self, box: Any) -> None:
        self._sqs, events = box.client("sqs"), box.client("events")
        self._url = self._sqs.create_queue(QueueName="told")["QueueUrl"]
        arn = "arn:aws:sqs:us-east-1:123456789012:told"
        pattern = {"source": ["aws.emr"], "detail-type": ["EMR Cluster State Change"]}
        rule = events.put_rule(Name="emr", EventPattern=json.dumps(pattern))["RuleArn"]
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        events.put_targets(Rule="emr", Targets=[{"Id": "queue", "Arn": arn}])
        self._heard: list[dict[str, Any]] = []

    def heard_of(self, cluster_id: str, enough: Callable[[list[str]], bool]) -> list[dict[str, Any]]:
        """Return a cluster's events in the order of their arrival, when these states are enough."""

        def look() -> list[dict[str, Any]] | None:
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self._heard.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            own = [event for event in self._heard if event["detail"]["clusterId"] == cluster_id]
            return own if enough([event["detail"]["state"] for event in own]) else None

        return list(wait_until(look))


@pytest.fixture(scope="module")
def account(box: Any) -> Account:
    return Account(box)


@pytest.fixture(scope="module")
def listener(box: Any) -> Listener:
    return Listener(box)


def whole_life(box: Any, account: Account, kind: str, *words: str) -> str:
    """Launch a hollow cluster whose events meet a fault, and end it when it waits."""
    done = box.command("fault", "add", kind, "--cluster", kind, *words)
    assert done.returncode == 0, done.stderr
    cluster_id = account.launch(0, Name=kind, Tags=HOLLOW)
    account.until(cluster_id, "WAITING")
    account.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    return cluster_id


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["detail"]["state"] for event in events]


def test_an_event_is_lost(box: Any, account: Account, listener: Listener) -> None:
    cluster_id = whole_life(box, account, "event-lost", "--count", "1")
    heard = listener.heard_of(cluster_id, lambda found: "TERMINATED" in found)
    assert states(heard) == ["WAITING", "TERMINATED"]


def test_events_arrive_twice(box: Any, account: Account, listener: Listener) -> None:
    cluster_id = whole_life(box, account, "event-doubled", "seconds=0.1")
    heard = listener.heard_of(cluster_id, lambda found: len(found) == 6)  # three, twice
    assert sorted(states(heard)) == ["STARTING"] * 2 + ["TERMINATED"] * 2 + ["WAITING"] * 2
    assert len({event["id"] for event in heard}) == 3


def test_an_event_is_overtaken(box: Any, account: Account, listener: Listener) -> None:
    cluster_id = whole_life(box, account, "event-late", "--count", "1", f"seconds={LATE_SECONDS}")
    heard = listener.heard_of(cluster_id, lambda found: len(found) == 3)
    assert states(heard)[0] == "WAITING"
    times = {event["detail"]["state"]: event["time"] for event in heard}
    assert times["STARTING"] <= times["WAITING"] <= times["TERMINATED"]


def test_logs_appear_late_in_s3(box: Any, account: Account) -> None:
    cluster_id = account.launch(0)
    account.until(cluster_id, "WAITING")
    done = box.command("fault", "add", "logs-late", "--cluster", cluster_id, f"seconds={LATE_SECONDS}")
    assert done.returncode == 0, done.stderr
    step = account.run_step(cluster_id, "echo", "late")
    stdout = f"logs/{cluster_id}/steps/{step['Id']}/stdout.gz"

    def pushed() -> Any:
        found = account.s3.list_objects_v2(Bucket=BUCKET, Prefix=stdout).get("Contents", [])
        return found and found[0]["LastModified"]

    # S3 tells whole seconds. The step is over when its logs are on their way.
    moment = wait_until(pushed) + timedelta(seconds=1)
    assert moment >= step["Status"]["Timeline"]["StartDateTime"] + timedelta(seconds=LATE_SECONDS)
    account.emr.terminate_job_flows(JobFlowIds=[cluster_id])
