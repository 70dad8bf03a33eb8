"""A failed run on a box reaches a topic's queue by the real calls, once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from box_world import BUCKET

from kiln.commands.notifying import Notifier
from kiln.exit_codes import ExitCode
from kiln.settings.notification_model import Notification

if TYPE_CHECKING:
    from pathlib import Path

    from box_world import BoxWorld


def subscribed(world: BoxWorld, name: str) -> tuple[str, Any]:
    """Return the ARN of a topic, and a function that reads what its queue has got."""
    sns, sqs = world.account.client("sns"), world.account.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)

    def read() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(one["Body"]) for one in found]

    return topic, read


def test_a_failed_run_reaches_a_topic_once(world: BoxWorld, tmp_path: Path) -> None:
    topic, read = subscribed(world, f"kiln-notifications-local-{world.identity.run_id}")
    rows = (Notification(name="topic", kind="sns", topic_arn=topic),)
    world.account.script_step("sd", seconds=60, exit_code=1)
    result = world.run()
    assert result.exit_code == ExitCode.STEP_FAILED
    notifier = Notifier(
        root=tmp_path,
        context=world.context,
        state_uri=f"s3://{BUCKET}/kiln",
        identity=world.identity,
        rows=lambda: rows,
    )
    for _ in range(2):
        notifier.ended(result, ("sd", "cdd"), "driver", is_whole=True)
    (got,) = read()
    assert got["Subject"] == "[kiln] model_building in local: the run failed"
    assert result.cluster_id is not None
    assert result.cluster_id in got["Message"]
