"""Which calls to AWS may be repeated, for how long, and why: the table behind kiln.aws.retrying."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Repeat(Enum):
    """When a call may be made again."""

    ALWAYS = "always"
    WITHOUT_EFFECT = "when it was refused for being too many, or never sent"
    AFTER_READ = "when a read shows that it had no effect"


class Operation(NamedTuple):
    """When an operation may be repeated, and why; `changes`: it is more than a read."""

    repeat: Repeat
    why: str
    changes: bool = True


_READ = Operation(Repeat.ALWAYS, "it changes nothing", changes=False)
_CREATE = Operation(
    Repeat.WITHOUT_EFFECT,
    "no idempotency token (docs/aws_facts.md 1.7); emr/lost_calls.py finds the effect",
)
OPERATIONS: dict[str, Operation] = {
    "run_job_flow": _CREATE,
    "add_steps": _CREATE,
    "publish": Operation(
        Repeat.WITHOUT_EFFECT, "no idempotency token for standard topics: it would arrive twice"
    ),
    "put_log_events": Operation(
        Repeat.WITHOUT_EFFECT, "no idempotency token: its lines would be in the log stream twice"
    ),
    "create_log_stream": Operation(Repeat.ALWAYS, "one that is there is left as it is"),
    "put_object": Operation(
        Repeat.AFTER_READ, "its condition would refuse a write that has happened already"
    ),
    "cancel_steps": Operation(Repeat.ALWAYS, "idempotent (docs/aws_facts.md 1.5)"),
    "terminate_cluster": Operation(
        Repeat.ALWAYS, "harmless on a cluster that has ended (docs/aws_facts.md 1.6)"
    ),
    "set_termination_protection": Operation(Repeat.ALWAYS, "twice is the same as once"),
    "add_tags": Operation(Repeat.ALWAYS, "twice is the same as once"),
    "set_idle_timeout": Operation(Repeat.ALWAYS, "twice is the same as once"),
    "terminate_instances": Operation(Repeat.ALWAYS, "harmless on an instance that has ended"),
    "tag_resources": Operation(Repeat.ALWAYS, "twice is the same as once"),
    "deregister_image": Operation(Repeat.ALWAYS, "an image that is gone stays gone"),
    "delete_snapshot": Operation(Repeat.ALWAYS, "a snapshot that is gone stays gone"),
    "delete_messages": Operation(Repeat.ALWAYS, "a message that is gone stays gone"),
    "create_database": Operation(Repeat.ALWAYS, "one that is there is left as it is"),
    "create_table": Operation(Repeat.ALWAYS, "one that is there is left as it is"),
    "create_partition": Operation(Repeat.ALWAYS, "one that is there is left as it is"),
    "update_table": Operation(Repeat.ALWAYS, "twice is the same as once"),
    "update_partition": Operation(Repeat.ALWAYS, "twice is the same as once"),
    "describe_cluster": _READ,
    "list_clusters": _READ,
    "release_applications": _READ,
    "supported_instance_types": _READ,
    "list_instances": _READ,
    "list_instance_groups": _READ,
    "list_lost_instances": _READ,
    "find_instances": _READ,
    "find_images": _READ,
    "console_output": _READ,
    "receive_messages": _READ,
    "list_steps": _READ,
    "get_object": _READ,
    "list_objects": _READ,
    "has_database": _READ,
    "get_table": _READ,
    "get_partition": _READ,
    "caller_identity": _READ,
}

# For how long one call is repeated, in seconds; a deadline of the caller may be earlier.
THROTTLED_SECONDS = 600.0
# Another process that finds the intent of a launch or a step has to wait for longer than this.
CREATE_SECONDS = 120.0
UNANSWERED_SECONDS = 180.0
# A wrong endpoint or no network at all should be reported at once.
FIRST_CONTACT_SECONDS = 5.0
