"""The options of the Ansible modules; plugins/modules documents each, a test compares the two."""

from __future__ import annotations

from kiln.ansible_modules import model_options
from kiln.ansible_modules.model_options import argument_spec, options_of, required
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.model import ClusterShape, StepSettings

Options = model_options.Options
SHAPE = options_of(ClusterShape)
STEP_FIELDS = options_of(StepSettings)

_ACCOUNT_OPTIONS: Options = {
    "region": {"type": "str", "required": True},
    "profile": {"type": "str", "default": ""},
    "aws_config_file": {"type": "path", "default": ""},
}
_STATE_OPTIONS: Options = {"state_uri": {"type": "str", "required": True}}
_SSH_OPTIONS: Options = {
    "ssh": {
        "type": "dict",
        "options": {
            "user": {"type": "str", "required": True},
            "private_key_file": {"type": "str", "default": "", "no_log": False},
            "proxy_command": {"type": "str", "default": ""},
        },
    }
}

CLUSTER: Options = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "pipeline": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "run_id": {"type": "str"},
    "cluster_id": {"type": "str"},
    "allow_second": {"type": "bool", "default": True},
    "existing": {"type": "dict", "options": argument_spec(options_of(ExistingCluster))},
    "launched_steps": {"type": "list", "elements": "str", "default": []},
    "steps": {"type": "list", "elements": "dict", "default": []},
    "spark_packages_allowed": {"type": "bool", "default": False},
    "owner": {"type": "str"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout_seconds": {"type": "int", "default": 1800},
    "poll_interval_seconds": {"type": "float", "default": 15.0},
} | argument_spec(SHAPE, optional=True) | _ACCOUNT_OPTIONS | _STATE_OPTIONS | _SSH_OPTIONS  # fmt: skip

# What a launch needs.
CLUSTER_REQUIRED_IF = [("state", "present", ["run_id", "owner", *required(SHAPE)])]

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
    "pipeline": {"type": "str"},
    "environment": {"type": "str"},
    "run_id": {"type": "str"},
    "cluster_id": {"type": "str", "required": True},
    "steps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": argument_spec(STEP_FIELDS),
    },
    "model_repo_name": {"type": "str", "default": ""},
    "spark_packages_allowed": {"type": "bool", "default": False},
    "again": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 14400, "aliases": ["timeout"]},
    "poll_interval_seconds": {"type": "float", "default": 15.0},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS | _SSH_OPTIONS  # fmt: skip

NODE_IMAGE: Options = {
    "state": {
        "type": "str",
        "choices": ["found", "published", "discarded", "pruned"],
        "default": "found",
    },
    "pipeline": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "definition": {"type": "dict", "required": True},
    "sources": {"type": "list", "elements": "str", "default": []},
    "checkout": {"type": "path", "required": True},
    "base_owner": {"type": "str", "default": "amazon"},
    "base_name": {"type": "str", "required": True},
    "image_id": {"type": "str"},
    "kept": {"type": "int", "default": 3},
    "stale_days": {"type": "int", "default": 30},
} | _ACCOUNT_OPTIONS  # fmt: skip

DEPLOYED: Options = {
    "pipeline": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "run_id": {"type": "str", "required": True},
    "cluster_id": {"type": "str", "required": True},
    "commit": {"type": "str", "required": True},
    "instances": {"type": "list", "elements": "str", "required": True},
    "is_rollback": {"type": "bool", "default": False},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS  # fmt: skip

ROLLBACK: Options = {
    "pipeline": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "run_id": {"type": "str", "required": True},
    "cluster_id": {"type": "str", "required": True},
    "release": {"type": "str", "default": ""},
    "nodes": {"type": "dict", "required": True},
} | _ACCOUNT_OPTIONS | _STATE_OPTIONS  # fmt: skip
