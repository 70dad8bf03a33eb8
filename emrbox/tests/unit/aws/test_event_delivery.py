"""Events reach queues and functions as EventBridge brings them."""

from __future__ import annotations

import io
import json
import zipfile
from functools import partial
from typing import Any

import pytest
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.events.models import Rule
from waiting import wait_until

from emrbox.aws.event_bus import EventBus
from emrbox.aws.functions import Functions

QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:told"
RULE_ARN = "arn:aws:events:us-east-1:123456789012:rule/emr"
HANDLER = """
import os, time
import boto3
def put(event, context):
    print("handling", event["detail"]["state"], context.function_name)
    boto3.client("dynamodb").put_item(TableName="states", Item={
        "id": {"S": event["detail"]["clusterId"]}, "state": {"S": event["detail"]["state"]}})
    return {"put": event["detail"]["state"]}
def fail(event, context):
    raise ValueError("no luck")
def hang(event, context):
    time.sleep(60)
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}
MAY_PUT = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*"},
}


def event(state: str, number: int = 0) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(number),
        "detail-type": "EMR Cluster State Change",
        "source": "aws.emr",
        "account": "123456789012",
        "time": "2026-11-01T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"clusterId": "j-1", "state": state},
    }


wait_for = partial(wait_until, seconds=60)


class World:
    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        self.functions = Functions(endpoint.url)
        self.functions.install()
        self.delays: dict[str, tuple[float, ...]] = {}  # by the state that an event is about
        self.bus = EventBus(
            self.functions.send, lambda event: self.delays.get(event["detail"].get("state"), (0.0,))
        )
        self.bus.install()
        self.events, self.sqs, self.aws = endpoint.client("events"), endpoint.client("sqs"), endpoint.client
        self.url = ""

    def rule(self, target: str, **more: Any) -> None:
        pattern = {"source": ["aws.emr"], "detail": {"clusterId": ["j-1"]}}
        self.events.put_rule(Name="emr", EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule="emr", Targets=[{"Id": "1", "Arn": target, **more}])

    def queue(self, *, allow: bool = True) -> None:
        self.url = self.sqs.create_queue(QueueName="told")["QueueUrl"]
        policy = {
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": QUEUE_ARN,
                "Condition": {"ArnEquals": {"aws:SourceArn": RULE_ARN}},
            }
        }
        if allow:
            self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})

    def received(self, count: int) -> list[Any]:
        bodies: list[Any] = []

        def look() -> bool:
            answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            bodies.extend(json.loads(m["Body"]) for m in answer.get("Messages", []))
            return len(bodies) >= count

        wait_for(look)
        return bodies

    def function(self, name: str, handler: str, *, timeout: int = 60, permit: bool = True) -> str:
        iam = self.aws("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(MAY_PUT))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("app.py", HANDLER)
        client = self.aws("lambda")
        arn = client.create_function(
            FunctionName=name,
            Role=role["Arn"],
            Runtime="python3.11",
            Handler=f"app.{handler}",
            Code={"ZipFile": archive.getvalue()},
            Timeout=timeout,
        )["FunctionArn"]
        if permit:
            client.add_permission(
                FunctionName=name,
                StatementId="events",
                Action="lambda:InvokeFunction",
                Principal="events.amazonaws.com",
                SourceArn=RULE_ARN,
            )
        return str(arn)

    def last_delivery(self) -> str:
        return str(wait_for(lambda: self.bus.records()[-1].deliveries)[0])


@pytest.fixture
def world(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(Rule, "send_to_targets", Rule.send_to_targets)
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", LambdaFunction._invoke_lambda)
    for name in ("create_event_source_mapping", "update_event_source_mapping"):
        monkeypatch.setattr(LambdaBackend, name, getattr(LambdaBackend, name))
    return World(endpoint)


def test_a_queue_gets_the_whole_event_in_order(world: World) -> None:
    world.queue()
    world.rule(QUEUE_ARN)
    for number, state in enumerate(["STARTING", "RUNNING", "TERMINATED"]):
        world.bus.publish(event(state, number))
    bodies = world.received(3)
    assert bodies == [event("STARTING", 0), event("RUNNING", 1), event("TERMINATED", 2)]


def test_a_pattern_that_does_not_match_and_a_disabled_rule_deliver_nothing(world: World) -> None:
    world.queue()
    world.rule(QUEUE_ARN)
    other = event("RUNNING")
    other["detail"]["clusterId"] = "j-2"
    world.bus.publish(other)
    world.events.disable_rule(Name="emr")
    world.bus.publish(event("RUNNING"))
    assert world.last_delivery() == "no rule wants it"
    world.events.enable_rule(Name="emr")
    world.bus.publish(event("WAITING", 7))
    assert world.received(1) == [event("WAITING", 7)]


def test_a_queue_whose_policy_does_not_allow_it_gets_nothing(world: World) -> None:
    world.queue(allow=False)
    world.rule(QUEUE_ARN)
    world.bus.publish(event("RUNNING"))
    assert "policy does not let events.amazonaws.com" in world.last_delivery()


def test_events_can_be_lost_doubled_and_reordered(world: World) -> None:
    world.queue()
    world.rule(QUEUE_ARN)
    world.delays = {"STARTING": (), "RUNNING": (2.0,), "WAITING": (0.0, 0.05)}
    for state in world.delays:
        world.bus.publish(event(state))
    assert [b["detail"]["state"] for b in world.received(3)] == ["WAITING", "WAITING", "RUNNING"]
    assert world.bus.records()[0].deliveries == ["lost"]


def test_what_a_user_puts_arrives_with_its_account(world: World) -> None:
    world.queue()
    world.rule(QUEUE_ARN, InputPath="$.account")
    world.events.put_events(
        Entries=[{"Source": "aws.emr", "DetailType": "x", "Detail": json.dumps({"clusterId": "j-1"})}]
    )
    assert world.received(1) == ["123456789012"]


def test_a_function_handles_events_in_a_process_of_its_own_and_may_write_a_table(world: World) -> None:
    dynamodb = world.aws("dynamodb")
    dynamodb.create_table(
        TableName="states",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    world.rule(world.function("put", "put"))
    world.bus.publish(event("WAITING"))
    item = wait_for(lambda: dynamodb.get_item(TableName="states", Key={"id": {"S": "j-1"}}).get("Item"))
    assert item["state"] == {"S": "WAITING"}
    logs = world.aws("logs")

    def lines() -> list[str]:
        return [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/put")["events"]]

    assert "handling WAITING put" in wait_for(lines)
    principals = {c["principal"] for c in world.endpoint.calls() if c["operation"] == "PutItem"}
    assert principals == {"arn:aws:sts::123456789012:assumed-role/put/put"}


def test_a_function_that_does_not_permit_eventbridge_is_not_called(world: World) -> None:
    world.rule(world.function("put", "put", permit=False))
    world.bus.publish(event("WAITING"))
    assert "policy does not let events.amazonaws.com invoke it" in world.last_delivery()


def test_invoke_answers_with_lambda_s_errors_and_time_outs(world: World) -> None:
    client = world.aws("lambda")
    world.function("fail", "fail")
    answer = client.invoke(FunctionName="fail", Payload=b"{}", LogType="Tail")
    assert answer["FunctionError"]
    assert json.loads(answer["Payload"].read())["errorType"] == "ValueError"
    world.function("hang", "hang", timeout=1)
    answer = client.invoke(FunctionName="hang", Payload=b"{}")
    assert "Task timed out after 1.00 seconds" in answer["Payload"].read().decode()
