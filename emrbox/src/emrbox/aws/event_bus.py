"""EventBridge's delivery: moto keeps rules and matches patterns; events go to SQS queues and functions.

Delivery is asynchronous, at least once and, without faults, in order. Faults are injected by `delays_of`,
which returns for each event after how many seconds each copy of it leaves; no copy, no delivery. Sources:
docs/aws_facts.md 5.4, 5.5.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.events.models import EventsBackend, Rule, events_backends
from moto.events.utils import EventTemplateParser
from moto.sqs.models import sqs_backends

from emrbox.aws.policies import trusts_service
from emrbox.config import REGION

LOG = logging.getLogger(__name__)
Document = dict[str, Any]
Delays = Callable[[Document], Sequence[float]]
# Gives an event to the function of an ARN, for the rule of an ARN; returns at once.
CallFunction = Callable[[str, Any, str], None]
PRINCIPAL = "events.amazonaws.com"
KEEP_RECORDS = 5000
OWN_TARGETS = frozenset({"sqs", "lambda"})


def in_order(_event: Document) -> Sequence[float]:
    """Deliver every event once, without a delay."""
    return (0.0,)


class DeliveryError(Exception):
    """An event could not be delivered to a target."""


@dataclass
class EventRecord:
    """An event that was published, and its deliveries: one line for each copy and target."""

    event: Document
    deliveries: list[str] = field(default_factory=list)


class EventBus:
    """The account's default event bus, for what AWS services publish themselves."""

    def __init__(self, call_function: CallFunction | None = None, delays_of: Delays = in_order) -> None:
        self._delays_of = delays_of
        self._call_function = call_function
        self._records: deque[EventRecord] = deque(maxlen=KEEP_RECORDS)
        self._due: list[tuple[float, int, EventRecord]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._deliver_forever, name="events", daemon=True).start()

    def install(self) -> None:
        """Make moto's rules deliver to SQS with the whole envelope, and to functions."""
        to_others = Rule.send_to_targets

        def send_to_targets(rule: Any, event: Document, transform_input: bool = True) -> None:  # noqa: FBT001, FBT002  # moto's own signature
            own = [target for target in rule.targets if _service(target) in OWN_TARGETS]
            if _wants(rule, event):
                for target in own:
                    self._send(rule, target, _enveloped(event), EventRecord(event))
            if len(own) < len(rule.targets):
                to_others(_without(rule, own), event, transform_input)

        Rule.send_to_targets = send_to_targets

    def publish(self, event: Document) -> None:
        """Publish an event; returns at once."""
        record = EventRecord(event)
        self._records.append(record)
        LOG.info("%s", event["detail"].get("message", event["detail-type"]))
        delays = self._delays_of(event)
        if not delays:
            record.deliveries.append("lost")
        with self._changed:
            for delay in delays:
                heapq.heappush(self._due, (time.monotonic() + delay, next(self._numbers), record))
            self._changed.notify_all()

    def records(self) -> list[EventRecord]:
        """Return what was published, oldest first; the last few thousand."""
        return list(self._records)

    def _deliver_forever(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    wait = self._due[0][0] - time.monotonic() if self._due else None
                    self._changed.wait(wait)
                record = heapq.heappop(self._due)[2]
            try:
                self._deliver(record)
            except Exception:
                LOG.exception("event %s could not be delivered", record.event["id"])

    def _deliver(self, record: EventRecord) -> None:
        backend: EventsBackend = events_backends[record.event["account"]][REGION]
        rules = list(backend.describe_event_bus("default").rules.values())
        for rule in rules:
            if not _wants(rule, record.event):
                continue
            for target in list(rule.targets):
                self._send(rule, target, record.event, record)
        if not record.deliveries:
            record.deliveries.append("no rule wants it")

    def _send(self, rule: Any, target: Document, event: Document, record: EventRecord) -> None:
        try:
            self._send_to_target(rule, target, event)
            record.deliveries.append(f"{target['Arn']}: delivered")
        except Exception as problem:  # noqa: BLE001  # one target must not keep the event from the others
            LOG.warning("event %s of rule %s: %s: %s", event["id"], rule.name, target["Arn"], problem)
            record.deliveries.append(f"{target['Arn']}: {problem}")

    def _send_to_target(self, rule: Any, target: Document, event: Document) -> None:
        service, content = _service(target), _input_of(target, event)
        if service == "sqs":
            _send_to_queue(rule, target, content)
        elif service == "lambda" and self._call_function is not None:
            self._call_function(target["Arn"], json.loads(content), rule.arn)
        else:
            raise DeliveryError(f"emrbox delivers no events to {service}")


def _wants(rule: Any, event: Document) -> bool:
    pattern = rule.event_pattern
    return bool(rule.state == "ENABLED" and pattern.get_pattern() and pattern.matches_event(event))


def _without(rule: Any, targets: list[Document]) -> Any:
    """Return the rule as moto needs it for the targets that stay its own."""
    rest = object.__new__(type(rule))
    rest.__dict__.update(rule.__dict__)
    rest.targets = [target for target in rule.targets if target not in targets]
    return rest


def _service(target: Document) -> str:
    return str(target["Arn"].split(":")[2])


def _enveloped(event: Document) -> Document:
    """Write the time as EventBridge does; moto carries epoch seconds and a member of its own."""
    moment = event.get("time")
    if isinstance(moment, (int, float)):
        event = {**event, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))}
    return {name: value for name, value in event.items() if name != "ingestion-time"}


def _input_of(target: Document, event: Document) -> str:
    """Return the text that a target gets: the event, a part, a constant, or a template filled in."""
    if "InputTransformer" in target:
        transformer = target["InputTransformer"]
        filled = EventTemplateParser.parse(
            input_template=transformer.get("InputTemplate"),
            input_paths_map=transformer.get("InputPathsMap", {}),
            event=event,
        )
        return filled if isinstance(filled, str) else json.dumps(filled)
    if "Input" in target:
        return str(target["Input"])
    part: Any = event
    for name in target.get("InputPath", "$").removeprefix("$").strip(".").split("."):
        part = part[name] if name else part
    return json.dumps(part)


def _send_to_queue(rule: Any, target: Document, content: str) -> None:
    """Send to a queue whose policy lets EventBridge do so, as AWS asks for (docs/aws_facts.md 5.4)."""
    arn = target["Arn"]
    account_id = rule.arn.split(":")[4]
    backend = sqs_backends[account_id][REGION]
    queue = backend.queues.get(arn.rpartition(":")[2])
    if queue is None:
        raise DeliveryError("there is no such queue")
    policy = json.loads(queue.policy or "{}")
    context = {"aws:SourceArn": rule.arn, "aws:SourceAccount": account_id}
    if not trusts_service(policy, PRINCIPAL, "sqs:SendMessage", arn, context):
        raise DeliveryError(f"the queue's policy does not let {PRINCIPAL} send to it")
    backend.send_message(
        queue_name=queue.name,
        message_body=content,
        group_id=target.get("SqsParameters", {}).get("MessageGroupId"),
    )
