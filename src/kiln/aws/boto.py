"""The real effects, through boto3: one attempt of each call, kiln.aws.retrying repeats."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from kiln.aws import convert, effects
from kiln.aws.boto_emr import BotoEmr
from kiln.aws.boto_glue import BotoGlue
from kiln.aws.boto_logs import BotoLogs
from kiln.aws.boto_s3 import BotoS3
from kiln.aws.clients import allowing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MESSAGES_PER_CALL = 10


class Boto(BotoEmr, BotoS3, BotoGlue, BotoLogs):
    """`kiln.aws.effects.Effects` on the account that a profile stands for."""

    @cached_property
    def _ec2(self) -> Any:
        return self.client("ec2")

    @cached_property
    def _sqs(self) -> Any:
        return self.client("sqs")

    def find_instances(self, filters: Mapping[str, Sequence[str]]) -> list[effects.Ec2Instance]:
        """Return EC2 instances by EC2's own filters."""
        listed = [{"Name": name, "Values": list(values)} for name, values in filters.items()]
        pages = self.pages(self._ec2, "describe_instances", Filters=listed)
        reservations = [one for page in pages for one in convert.listed(page, "Reservations")]
        return [convert.ec2_instance(raw) for one in reservations for raw in convert.listed(one, "Instances")]

    def console_output(self, instance_id: str, *, latest: bool) -> str:
        """Return the end of an instance's console."""
        # Without it the parameter is left out: some types refuse it with any value.
        parameters = {"Latest": True} if latest else {}
        answer = self.call(self._ec2, "get_console_output", InstanceId=instance_id, **parameters)
        return convert.console_output(answer)

    def terminate_instances(self, instance_ids: Sequence[str]) -> None:
        """Ask for the end of EC2 instances."""
        self.call(self._ec2, "terminate_instances", InstanceIds=list(instance_ids))

    def find_images(self, owner: str, filters: Mapping[str, Sequence[str]]) -> list[effects.Image]:
        """Return the AMIs of an owner by EC2's own filters."""
        listed = [{"Name": name, "Values": list(values)} for name, values in filters.items()]
        pages = self.pages(self._ec2, "describe_images", Owners=[owner], Filters=listed)
        return [convert.image(raw) for page in pages for raw in convert.listed(page, "Images")]

    def tag_resources(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Set tags of EC2's things."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.call(self._ec2, "create_tags", Resources=list(ids), Tags=listed)

    def deregister_image(self, image_id: str) -> None:
        """Remove an AMI."""
        # What is not there needs no removal (EC2 API Reference, error codes); so below.
        with allowing("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"):
            self.call(self._ec2, "deregister_image", ImageId=image_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot."""
        with allowing("InvalidSnapshot.NotFound"):
            self.call(self._ec2, "delete_snapshot", SnapshotId=snapshot_id)

    def receive_messages(self, queue_url: str, wait_seconds: int) -> list[effects.Message]:
        """Return messages of a queue."""
        answer = self.call(
            self._sqs,
            "receive_message",
            QueueUrl=queue_url,
            MaxNumberOfMessages=_MESSAGES_PER_CALL,
            WaitTimeSeconds=wait_seconds,
        )
        return convert.messages(answer)

    def delete_messages(self, queue_url: str, receipts: Sequence[str]) -> None:
        """Remove messages from a queue."""
        entries = [{"Id": str(index), "ReceiptHandle": one} for index, one in enumerate(receipts)]
        self.call(self._sqs, "delete_message_batch", QueueUrl=queue_url, Entries=entries)

    def publish(self, topic_arn: str, subject: str, text: str) -> None:
        """Send a message to an SNS topic."""
        # arn:aws:sns:REGION:ACCOUNT:NAME; SNS answers for the topics of its own region only.
        sns = self.client("sns", region=topic_arn.split(":")[3])
        self.call(sns, "publish", TopicArn=topic_arn, Subject=subject, Message=text)

    def caller_identity(self) -> str:
        """Return the caller's ARN."""
        return str(self.call(self.client("sts"), "get_caller_identity")["Arn"])
