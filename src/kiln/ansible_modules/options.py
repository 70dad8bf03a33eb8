"""The options of the Ansible modules; plugins/modules documents each, a test compares the two."""

from __future__ import annotations

from typing import Any

Options = dict[str, Any]

_ACCOUNT_OPTIONS: Options = {
    "region": {"type": "str", "required": True},
    "profile": {"type": "str", "default": ""},
    "aws_config_file": {"type": "path", "default": ""},
}
_STATE_OPTIONS: Options = {"state_uri": {"type": "str", "required": True}}

CLUSTER: Options = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "pipeline": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "run_id": {"type": "str"},
    "cluster_id": {"type": "str"},
    "allow_second": {"type": "bool", "default": True},
    "owner": {"type": "str"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout_seconds": {"type": "int", "default": 1800},
    "poll_interval_seconds": {"type": "float", "default": 15.0},
    "release_label": {"type": "str"},
    "applications": {"type": "list", "elements": "str", "default": []},
    "log_uri": {"type": "str"},
    "key_pair": {"type": "str", "no_log": False},
    "service_role": {"type": "str"},
    "instance_profile": {"type": "str"},
    "subnet_id": {"type": "str", "default": ""},
    "master_instance_type": {"type": "str"},
    "core_instance_type": {"type": "str"},
    "core_count": {"type": "int"},
    "task_instance_type": {"type": "str", "default": ""},
    "task_count": {"type": "int", "default": 0},
    "idle_timeout_seconds": {"type": "int"},
    "max_lifetime_seconds": {"type": "int"},
    "termination_protected": {"type": "bool", "default": False},
    "step_concurrency_level": {"type": "int", "default": 1},
    "tags": {"type": "dict", "default": {}},
    "configurations": {"type": "list", "elements": "dict", "default": []},
    "bootstrap_actions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "args": {"type": "list", "elements": "str", "default": []},
        },
    },
    "custom_ami_id": {"type": "str", "default": ""},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS  # fmt: skip

# What a launch needs.
CLUSTER_REQUIRED_IF = [
    (
        "state",
        "present",
        [
            *("run_id", "owner", "release_label", "log_uri", "key_pair", "service_role", "instance_profile"),
            *("master_instance_type", "core_instance_type", "core_count"),
            *("idle_timeout_seconds", "max_lifetime_seconds"),
        ],
    )
]

CLUSTER_INFO: Options = {
    "cluster_id": {"type": "str"},
    "pipeline": {"type": "str"},
    "environment": {"type": "str"},
    "run_id": {"type": "str"},
    "states": {
        "type": "list",
        "elements": "str",
        "choices": [
            "STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING",
            "TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS",
        ],
        "default": ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"],
    },
    "one": {"type": "bool", "default": False},
    "state_uri": {"type": "str"},
} | _ACCOUNT_OPTIONS  # fmt: skip

STEP: Options = {
    "state": {"type": "str", "choices": ["present"], "default": "present"},
    "cluster_id": {"type": "str", "required": True},
    "steps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "group": {"type": "str", "default": ""},
            "jar": {"type": "str", "required": True},
            "args": {"type": "list", "elements": "str", "default": []},
            "action_on_failure": {
                "type": "str",
                "choices": ["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER"],
                "default": "CONTINUE",
            },
            "timeout_seconds": {"type": "int"},
            "outputs": {"type": "list", "elements": "str", "default": []},
        },
    },
    "wait": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 14400, "aliases": ["timeout"]},
    "poll_interval_seconds": {"type": "float", "default": 15.0},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS  # fmt: skip

ENVIRONMENT_DIGEST: Options = {
    "environment": {"type": "str", "required": True},
    "environment_hash": {"type": "str", "required": True},
    "sha256": {"type": "str"},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS  # fmt: skip
