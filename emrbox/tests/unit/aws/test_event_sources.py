"""Messages of a queue reach a function by its event source mapping, as Lambda brings them."""

from __future__ import annotations

import io
import json
import time
import zipfile
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction
from waiting import wait_until

from emrbox.aws.functions import Functions

QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:work"
TIMEOUT_SECONDS, SHORT_SECONDS = 60, 2
# Puts what it gets into a table, by message; a message "bad" fails the batch, "worse" only itself.
HANDLER = """
import json
import boto3
def handle(event, context):
    table = boto3.client("dynamodb")
    records, failures = event["Records"], []
    for record in records:
        count = record["attributes"]["ApproximateReceiveCount"]
        if record["body"] == "bad" and count == "1":
            raise ValueError("not at once")
        if record["body"] == "worse" and count == "1":
            failures.append({"itemIdentifier": record["messageId"]})
        item = {"id": record["messageId"], "count": count, "record": json.dumps(record)}
        item["batch"] = str(len(records))
        table.put_item(TableName="seen", Item={name: {"S": value} for name, value in item.items()})
    return {"batchItemFailures": failures}
"""
MAY = ["dynamodb:PutItem", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


# Before a message could return to the queue by itself.
wait_for = partial(wait_until, seconds=60)


class World:
    def __init__(self, endpoint: Any) -> None:
        Functions(endpoint.url).install()
        self.endpoint = endpoint
        self.sqs, self.functions, self.tables, self.iam = (
            endpoint.client(name) for name in ("sqs", "lambda", "dynamodb", "iam")
        )
        attributes = {"VisibilityTimeout": str(TIMEOUT_SECONDS)}
        self.url = self.sqs.create_queue(QueueName="work", Attributes=attributes)["QueueUrl"]
        self.tables.create_table(
            TableName="seen",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = self.iam.create_role(
            RoleName="worker",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        )["Role"]
        self.permit(*MAY)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("app.py", HANDLER)
        self.functions.create_function(
            FunctionName="work",
            Role=role["Arn"],
            Runtime="python3.11",
            Handler="app.handle",
            Code={"ZipFile": archive.getvalue()},
            Timeout=TIMEOUT_SECONDS,
        )

    def permit(self, *actions: str) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
        self.iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=policy)

    def map(self, **more: Any) -> dict[str, Any]:
        answer = self.functions.create_event_source_mapping(
            EventSourceArn=QUEUE_ARN, FunctionName="work", **more
        )
        return dict(answer)

    def map_with_short_hiding(self, **more: Any) -> None:
        """Hand messages on that return soon. A mapping may not begin so: a function may take longer."""
        mapping = self.map(Enabled=False, **more)
        attributes = {"VisibilityTimeout": str(SHORT_SECONDS)}
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes=attributes)
        self.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    def send(self, body: str, **more: Any) -> str:
        return str(self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)["MessageId"])

    def seen(self, *ids: str) -> dict[str, Any]:
        """Wait until the function has put something for each of these messages; by their ids."""

        def look() -> dict[str, Any]:
            items = {i["id"]["S"]: i for i in self.tables.scan(TableName="seen")["Items"]}
            return {name: items[name] for name in ids} if set(ids) <= set(items) else {}

        return dict(wait_for(look))

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)


@pytest.fixture
def world(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", LambdaFunction._invoke_lambda)
    for name in ("create_event_source_mapping", "update_event_source_mapping"):
        monkeypatch.setattr(LambdaBackend, name, getattr(LambdaBackend, name))
    return World(endpoint)


def test_a_function_gets_messages_in_a_batch_and_they_are_deleted(world: World) -> None:
    attribute = {"colour": {"DataType": "String", "StringValue": "red"}}
    ids = [world.send(body, MessageAttributes=attribute) for body in ("one", "two")]
    mapping = world.map()
    assert (mapping["BatchSize"], mapping["State"]) == (10, "Enabled")
    items = world.seen(*ids)
    assert {item["batch"]["S"] for item in items.values()} == {"2"}
    record = json.loads(items[ids[0]]["record"]["S"])
    assert (record["body"], record["eventSource"], record["eventSourceARN"]) == ("one", "aws:sqs", QUEUE_ARN)
    assert record["messageAttributes"]["colour"]["stringValue"] == "red"
    assert record["md5OfBody"] == "f97c5d29941bfb1b2fdab0874906ab82"
    wait_for(lambda: world.left() == 0)
    principals = {c["principal"] for c in world.endpoint.calls() if c["operation"] == "PutItem"}
    assert principals == {"arn:aws:sts::123456789012:assumed-role/worker/work"}


def test_a_batch_that_fails_returns_after_the_visibility_time_out(world: World) -> None:
    world.map_with_short_hiding(BatchSize=1)
    started = time.monotonic()
    sent = world.send("bad")
    assert world.seen(sent)[sent]["count"]["S"] == "2"
    assert time.monotonic() - started >= SHORT_SECONDS
    wait_for(lambda: world.left() == 0)


def test_of_a_batch_those_return_that_the_function_names(world: World) -> None:
    ids = [world.send(body) for body in ("good", "worse")]
    world.map_with_short_hiding(FunctionResponseTypes=["ReportBatchItemFailures"])
    world.seen(*ids)
    wait_for(lambda: world.seen(ids[1])[ids[1]]["count"]["S"] == "2")
    assert world.seen(ids[0])[ids[0]]["count"]["S"] == "1"
    wait_for(lambda: world.left() == 0)


def test_a_mapping_that_is_disabled_or_deleted_hands_nothing_on(world: World) -> None:
    mapping = world.map(Enabled=False)
    sent = world.send("waits")
    time.sleep(0.5)
    assert world.left() == 1
    world.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    world.seen(sent)
    world.functions.delete_event_source_mapping(UUID=mapping["UUID"])
    time.sleep(1.5)  # longer than one poll
    world.send("stays")
    time.sleep(0.5)
    assert world.left() == 1


@pytest.mark.parametrize(
    ("actions", "more", "message"),
    [
        (["dynamodb:PutItem"], {}, "does not have permissions to call ReceiveMessage on SQS"),
        (MAY, {"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "FilterCriteria is not available"),
    ],
)
def test_what_lambda_or_emrbox_does_not_take_is_refused(
    world: World, actions: list[str], more: dict[str, Any], message: str
) -> None:
    world.permit(*actions)
    with pytest.raises(ClientError, match=message):
        world.map(**more)
    assert world.functions.list_event_source_mappings()["EventSourceMappings"] == []


def test_a_function_may_not_run_longer_than_its_messages_are_hidden(world: World) -> None:
    world.functions.update_function_configuration(FunctionName="work", Timeout=TIMEOUT_SECONDS + 1)
    with pytest.raises(ClientError, match="visibility timeout: 60 seconds is less than Function timeout: 61"):
        world.map()
