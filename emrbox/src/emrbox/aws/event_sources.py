"""Event source mappings of SQS queues: batches of messages go to functions, as Lambda polls queues.

moto keeps the mappings; here each has a thread that polls its queue, for one batch at a time. What Lambda
does, and the form of the event: Lambda Developer Guide, "Using Lambda with Amazon SQS"
(https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html). The words of refusals were seen, in aws/aws-cdk
issue 6770 and winglang/wing issue 1507.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaBackend, lambda_backends
from moto.iam.exceptions import NotFoundException
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends

from emrbox.aws.auth import role_caller

LOG = logging.getLogger(__name__)
POLL_SECONDS = 1
# The execution role needs all of these.
NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
NOT_AVAILABLE = ("FilterCriteria", "ProvisionedPollerConfig")
PARTIAL = "ReportBatchItemFailures"

Document = dict[str, Any]
# Runs a function with an event; returns its answer as JSON, whether it failed, and its log.
Invoke = Callable[[Any, Any], tuple[str, bool, str]]


def install(invoke: Invoke) -> None:
    """Make CreateEventSourceMapping of SQS queues do this from now on, instead of moto's way."""
    create, update = LambdaBackend.create_event_source_mapping, LambdaBackend.update_event_source_mapping

    def create_mapping(backend: Any, spec: Document) -> Any:
        source = spec.get("EventSourceArn", "")
        if ":sqs:" not in source:
            return create(backend, spec)
        _refuse_missing(spec)
        mapping = create(backend, spec)
        try:
            _check(backend, mapping)
        except InvalidParameterValueException:
            backend.delete_event_source_mapping(mapping.uuid)
            raise
        finally:
            # By this moto would call the function within SendMessage.
            _queue(mapping).lambda_event_source_mappings.pop(mapping.function_arn)
        poller = threading.Thread(
            target=_poll, args=(backend, mapping, invoke), name=mapping.arn, daemon=True
        )
        poller.start()
        return mapping

    def update_mapping(backend: Any, uuid: str, spec: Document) -> Any:
        mapping = backend.get_event_source_mapping(uuid)
        if mapping is not None and ":sqs:" in mapping.event_source_arn:
            _refuse_missing(spec)
        return update(backend, uuid, spec)

    LambdaBackend.create_event_source_mapping = create_mapping
    LambdaBackend.update_event_source_mapping = update_mapping


def _refuse_missing(spec: Document) -> None:
    for name in NOT_AVAILABLE:
        if spec.get(name):
            raise InvalidParameterValueException(f"{name} is not available in this region: emrbox has none.")


def _check(backend: Any, mapping: Any) -> None:
    function, queue = _function(backend, mapping), _queue(mapping)
    if int(queue.visibility_timeout) < function.timeout:
        raise InvalidParameterValueException(
            f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than Function timeout: "
            f"{function.timeout} seconds"
        )
    try:
        role = role_caller(function.role.rpartition("/")[2], mapping.account_id)
    except NotFoundException:
        raise InvalidParameterValueException(
            "The role defined for the function cannot be assumed by Lambda."
        ) from None
    for action in NEEDED:
        if not role.may(f"sqs:{action}", mapping.event_source_arn, {}):
            raise InvalidParameterValueException(
                f"The provided execution role does not have permissions to call {action} on SQS"
            )


def _function(backend: Any, mapping: Any) -> Any:
    return backend._lambdas.get_arn(mapping.function_arn)  # noqa: SLF001  # moto's own way


def _queue(mapping: Any) -> Any:
    return sqs_backends[mapping.account_id][mapping.region].get_queue(
        mapping.event_source_arn.rpartition(":")[2]
    )


def _poll(backend: Any, mapping: Any, invoke: Invoke) -> None:
    """Hand batches to the function until the mapping is deleted, or its account closed."""
    while _is_there(backend, mapping):
        try:
            if not mapping.enabled or not _handle_batch(backend, mapping, invoke):
                time.sleep(POLL_SECONDS / 10)
        except QueueDoesNotExist:
            time.sleep(POLL_SECONDS)
        except Exception:
            if _is_there(backend, mapping):  # what it needs may have gone with its account
                LOG.exception("the event source mapping %s could not go on", mapping.arn)
            time.sleep(POLL_SECONDS)


def _is_there(backend: Any, mapping: Any) -> bool:
    regions = lambda_backends.get(mapping.account_id) or {}
    known = regions.get(mapping.region) is backend
    return known and backend.get_event_source_mapping(mapping.uuid) is mapping


def _handle_batch(backend: Any, mapping: Any, invoke: Invoke) -> bool:
    """Call the function with the messages that are there. Returns whether there were any.

    Those that it did not handle are not deleted: they return after the queue's visibility time-out.
    """
    queue, function = _queue(mapping), _function(backend, mapping)
    messages = _receive(mapping, queue)
    if not messages or function is None:
        return False
    answer, failed, _ = invoke(function, {"Records": [_record(mapping, one) for one in messages]})
    if failed:
        LOG.warning("%s failed for %s messages of %s", function.function_name, len(messages), queue.name)
    elif PARTIAL in (mapping.function_response_types or []):
        messages = [one for one in messages if one.id not in _failures(answer, messages)]
    for message in [] if failed else messages:
        queue.delete_message(message.receipt_handle)
    return True


def _receive(mapping: Any, queue: Any) -> list[Any]:
    """Wait for a first message, then for a whole batch as long as the mapping says."""
    sqs = sqs_backends[mapping.account_id][mapping.region]
    messages: list[Any] = []
    deadline = time.monotonic() + POLL_SECONDS
    while len(messages) < mapping.batch_size and (left := deadline - time.monotonic()) > 0:
        was_empty = not messages
        messages += sqs.receive_message(
            queue.name,
            mapping.batch_size - len(messages),
            min(POLL_SECONDS, left),
            queue.visibility_timeout,
            ["All"],
        )
        if messages and was_empty:
            deadline = time.monotonic() + (mapping.max_batch_window or 0)
    return messages


def _failures(answer: str, messages: list[Any]) -> set[str]:
    """Return the ids of the messages that a function's answer calls failed: all if it is not to be read."""
    everything = {one.id for one in messages}
    try:
        items = (json.loads(answer) or {}).get("batchItemFailures") or []
        found = {one["itemIdentifier"] for one in items}
    except (AttributeError, KeyError, TypeError, ValueError):
        return everything
    return everything if found - everything else found


def _record(mapping: Any, message: Any) -> Document:
    attributes = {
        "ApproximateReceiveCount": str(message.approximate_receive_count),
        "SentTimestamp": str(message.sent_timestamp),
        "SenderId": message.sender_id,
        "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        "SequenceNumber": message.sequence_number,
        "MessageGroupId": message.group_id,
        "MessageDeduplicationId": message.deduplication_id,
    }
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {name: value for name, value in attributes.items() if value is not None},
        "messageAttributes": {n: _attribute(value) for n, value in message.message_attributes.items()},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.event_source_arn,
        "awsRegion": mapping.region,
    }


def _attribute(value: Document) -> Document:
    document: Document = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if value.get("StringValue") is not None:
        document["stringValue"] = value["StringValue"]
    elif value.get("BinaryValue") is not None:
        binary = value["BinaryValue"]
        document["binaryValue"] = binary if isinstance(binary, str) else base64.b64encode(binary).decode()
    return document
