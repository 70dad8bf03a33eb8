"""The typed model of the variables that the driver knows: names, types, ranges. Values live in group_vars/.

A field without a default is required. Units stand in the names. The `title` of a constraint is what a value
has to be, as messages say it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kiln.settings import names

Seconds = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1)]
S3Uri = Annotated[str, Meta(pattern="^s3://[^/]+", title="an address like s3://bucket/prefix")]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: immutable, named arguments only, no unknown keys."""


class BootstrapAction(Model, frozen=True, kw_only=True):
    """A script that EMR runs on every node before Hadoop exists (at most 16)."""

    name: Text
    path: Text
    args: tuple[str, ...] = ()


class StepSettings(Model, frozen=True, kw_only=True):
    """One EMR step of a pipeline.

    `outputs` are S3 prefixes that the step fills: sizes and any `metrics.json` there go into the result.
    """

    name: Annotated[str, Meta(pattern=names.PATTERN, title=names.WORDS)]
    jar: Text
    args: tuple[str, ...] = ()
    group: str = ""
    action_on_failure: Literal["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER"] = "CONTINUE"
    timeout_seconds: Seconds | None = None
    outputs: tuple[S3Uri, ...] = ()


class ClusterShape(Model, frozen=True, kw_only=True):
    """What is launched. Field names are the variables' names without `emr_cluster_`."""

    release_label: Text
    applications: tuple[str, ...]
    log_uri: S3Uri
    key_pair: Text
    service_role: Text
    instance_profile: Text
    subnet_id: str = ""
    master_instance_type: Text
    core_instance_type: Text
    core_count: Count
    task_instance_type: str = ""
    task_count: Count = 0
    # The range that EMR accepts for AutoTerminationPolicy.
    idle_timeout_seconds: Annotated[int, Meta(ge=60, le=604_800)]
    max_lifetime_seconds: Annotated[int, Meta(ge=60)]
    termination_protected: bool = False
    step_concurrency_level: Annotated[int, Meta(ge=1, le=256)] = 1
    tags: dict[str, str] = {}
    configurations: tuple[dict[str, Any], ...] = ()
    bootstrap_actions: Annotated[tuple[BootstrapAction, ...], Meta(max_length=16)] = ()
    custom_ami_id: str = ""


class Account(Model, frozen=True, kw_only=True):
    """Where AWS is: all that status, list and terminate need. `aws_config_file` empty = the user's own."""

    aws_region: Text
    aws_profile: str = ""
    aws_config_file: str = ""
    kiln_state_uri: S3Uri


class Ending(Account, frozen=True, kw_only=True):
    """An account, and the patience for the end of a cluster: what the terminate action needs."""

    kiln_terminate_timeout_seconds: Seconds
    kiln_poll_interval_seconds: Annotated[float, Meta(gt=0)]


class Access(Ending, frozen=True, kw_only=True):
    """And how nodes are reached over SSH: what logs and diagnose need."""

    emr_cluster_ssh_user: str = "hadoop"
    emr_cluster_private_key_file: str = ""
    emr_cluster_ssh_proxy_command: str = ""


class Driver(Access, frozen=True, kw_only=True):
    """The driver's own settings and those that it hands on to nobody."""

    kiln_environment: Text
    kiln_owner: Text
    kiln_after_failure: Literal["terminate", "keep"] = "terminate"
    kiln_launch_timeout_seconds: Seconds
    kiln_step_timeout_seconds: Seconds
    kiln_run_timeout_seconds: Seconds
    kiln_cache_dir: Text
    kiln_vault_generates_secrets: bool = False
    model_repo_url: str = ""
    model_repo_branch: str = ""
    model_repo_name: Annotated[str, Meta(pattern=names.FOLDER_OR_NOTHING, title=names.FOLDER_WORDS)] = ""
    emr_node_python_requirements: str = ""
    steps: tuple[StepSettings, ...] = ()


CLUSTER_PREFIX = "emr_cluster_"


def variables(model: type[Model], prefix: str = "") -> dict[str, msgspec.structs.FieldInfo]:
    """Return variable name -> field of a model."""
    return {prefix + field.encode_name: field for field in msgspec.structs.fields(model)}


def driver_variables() -> dict[str, msgspec.structs.FieldInfo]:
    """Return every variable that a run needs, in one flat table: the driver's own and the cluster's shape."""
    return variables(Driver) | variables(ClusterShape, CLUSTER_PREFIX)
