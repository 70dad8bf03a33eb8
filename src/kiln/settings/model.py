"""The typed model of the variables that the driver knows: names, types, ranges. Values live in group_vars/.

A field without a default is required. Units stand in the names. The `title` of a constraint is what a value
has to be, as messages say it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kiln.settings import names
from kiln.settings.cloudwatch_logs import CloudwatchLogs
from kiln.settings.dag import Dag
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.fields import Count, Model, S3Uri, Seconds, Text, Words, doc
from kiln.settings.glue_tables import Table
from kiln.settings.managed_scaling import ManagedScaling
from kiln.settings.node_files import NodeFile
from kiln.settings.notification_model import Notification
from kiln.settings.step_kinds import CheckData, Script, SparkJob, Streaming
from kiln.settings.system_settings import SystemSettings

# docs/aws_facts.md 2.8.
MOST_BOOTSTRAP_ACTIONS = 16


class BootstrapAction(Model, frozen=True, kw_only=True):
    """A script that EMR runs on every node before Hadoop exists."""

    name: Annotated[Text, doc("Name of the action.")]
    path: Annotated[Text, doc("The script, s3://….")]
    args: Annotated[tuple[str, ...], doc("Its arguments.")] = ()


OnFailure = Literal["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER"]


class StepSettings(Model, frozen=True, kw_only=True):
    """One EMR step of a pipeline: a name, one kind (settings.step_kinds), and how it is run."""

    name: Annotated[
        str,
        Meta(pattern=names.PATTERN, title=names.WORDS),
        doc("Name of the step, unique in its pipeline."),
    ]
    spark: Annotated[SparkJob | None, doc("A Spark job. A step has exactly one kind.")] = None
    command: Annotated[
        Words | None, doc("A command with its arguments, run on the master without a shell.")
    ] = None
    script: Annotated[Script | None, doc("An executable script that runs on the master.")] = None
    streaming: Annotated[Streaming | None, doc("A Hadoop Streaming job.")] = None
    check_data: Annotated[
        CheckData | None, doc("A check of Parquet files: columns, nulls, numbers of rows.")
    ] = None
    jar: Annotated[str, doc("Any other jar, as EMR takes it, such as command-runner.jar.")] = ""
    args: Annotated[
        tuple[str, ...],
        doc("Arguments of `jar`. Never a secret: the API shows them to everybody who may read."),
    ] = ()
    group: Annotated[str, doc("Name of the group it belongs to, for the command line.")] = ""
    action_on_failure: Annotated[OnFailure, doc("What EMR does when the step fails.")] = "CONTINUE"
    timeout_seconds: Annotated[
        Seconds | None, doc("Deadline of this step; without it the one of all steps.")
    ] = None
    needs: Annotated[
        tuple[str, ...] | None,
        doc(
            "Steps that must have ended well before it begins. When no step of the pipeline names any, each "
            "needs the one before it; otherwise a step without `needs` begins at once."
        ),
    ] = None
    optional: Annotated[bool, doc("Its failure does not fail the run, nor the steps that need it.")] = False
    always: Annotated[
        bool,
        doc(
            "A clean-up step: begins when all others have ended, also when one has failed. It may only need "
            "other clean-up steps, whatever their end."
        ),
    ] = False
    repeatable: Annotated[
        bool, doc("It may run twice: it is added again when nobody knows whether an addition had an effect.")
    ] = False
    durable: Annotated[
        bool,
        doc("What it leaves outlives the cluster (in S3, say): once complete, no new cluster runs it again."),
    ] = False
    inputs: Annotated[
        tuple[S3Uri, ...],
        doc("S3 prefixes that it reads. A complete step is not taken for done when they have changed."),
    ] = ()
    outputs: Annotated[
        tuple[S3Uri, ...],
        doc("S3 prefixes that the step fills. Their sizes and any metrics.json there go into the result."),
    ] = ()
    tables: Annotated[
        tuple[Table, ...],
        doc(
            "Tables of the Glue Data Catalog, for Athena and Spark, registered when the step has ended well."
        ),
    ] = ()


Market = Literal["ON_DEMAND", "SPOT"]
# InstanceGroupConfig of botocore's model of EMR; percentages are for instance fleets only.
BidPrice = Annotated[
    str,
    Meta(pattern=r"^(?:[0-9]{1,4}(?:\.[0-9]{1,3})?)?\Z", title='dollars an hour as text, like "0.08"'),
    doc("Most dollars an hour for one spot instance of the group, as text; empty for the on-demand price."),
]


# Family, a point, size, as in `metal-48xl` of `c7gd`. Which types there are is EMR's to say.
_TYPE, _TYPE_WORDS = r"[a-z][a-z0-9-]{0,30}\.[a-z0-9-]{1,30}", "an instance type like m5.xlarge"
InstanceType = Annotated[str, Meta(pattern=rf"^{_TYPE}\Z", title=_TYPE_WORDS)]
InstanceTypeOrNothing = Annotated[str, Meta(pattern=rf"^(?:{_TYPE})?\Z", title=_TYPE_WORDS)]


class Alternative(Model, frozen=True, kw_only=True):
    """What a further attempt of a run launches with, in place of the pipeline's own; empty = the same."""

    subnet_id: Annotated[str, doc("Subnet of the nodes.")] = ""
    master_instance_type: Annotated[InstanceTypeOrNothing, doc("Instance type of the master.")] = ""
    core_instance_type: Annotated[InstanceTypeOrNothing, doc("Instance type of the core nodes.")] = ""
    task_instance_type: Annotated[InstanceTypeOrNothing, doc("Instance type of the task nodes.")] = ""
    master_market: Annotated[Market | None, doc("How the master is bought.")] = None
    core_market: Annotated[Market | None, doc("How the core nodes are bought.")] = None
    task_market: Annotated[Market | None, doc("How the task nodes are bought.")] = None


class ClusterShape(Model, frozen=True, kw_only=True):
    """What is launched. Field names are the variables' names without `emr_cluster_`.

    A new field needs its default in roles/emr_cluster/defaults/main.yml and its place in emr/request.py;
    `make docs` writes the rest (docs/decisions: launch options).
    """

    release_label: Annotated[
        str,
        # docs/aws_facts.md 2.1; the second form came with emr-spark-8.0.0.
        Meta(
            pattern=r"^emr-(?:spark-)?[0-9]+\.[0-9]+\.[0-9]+\Z",
            title="a release label like emr-7.10.0 or emr-spark-8.0.0",
        ),
        doc("EMR release, such as emr-spark-8.0.0."),
    ]
    applications: Annotated[tuple[str, ...], doc("Applications that EMR installs.")] = ()
    log_uri: Annotated[S3Uri, doc("Where EMR puts its logs, s3://bucket/prefix/.")]
    key_pair: Annotated[Text, doc("EC2 key pair whose public half EMR puts on the nodes.")]
    service_role: Annotated[Text, doc("Role that EMR itself uses (iam/service_role.json).")]
    instance_profile: Annotated[Text, doc("Instance profile of the nodes (iam/instance_profile.json).")]
    subnet_id: Annotated[str, doc("Subnet of the nodes; empty for one of the account's default VPC.")] = ""
    master_instance_type: Annotated[InstanceType, doc("Instance type of the master.")]
    core_instance_type: Annotated[InstanceType, doc("Instance type of the core nodes.")]
    core_count: Annotated[Count, doc("Number of core nodes.")]
    task_instance_type: Annotated[
        InstanceTypeOrNothing, doc("Instance type of the task nodes; empty for the core nodes' type.")
    ] = ""
    task_count: Annotated[Count, doc("Number of task nodes.")] = 0
    master_market: Annotated[Market, doc("How the master is bought: ON_DEMAND or SPOT.")] = "ON_DEMAND"
    core_market: Annotated[Market, doc("How the core nodes are bought: ON_DEMAND or SPOT.")] = "ON_DEMAND"
    task_market: Annotated[Market, doc("How the task nodes are bought: ON_DEMAND or SPOT.")] = "ON_DEMAND"
    master_bid_price: BidPrice = ""
    core_bid_price: BidPrice = ""
    task_bid_price: BidPrice = ""
    managed_scaling: Annotated[
        ManagedScaling,
        doc("Limits within which EMR changes the number of core and task nodes as YARN has work for them."),
    ] = msgspec.field(default_factory=ManagedScaling)
    keep_alive: Annotated[
        bool,
        doc(
            "Keep the cluster when it has no step to run. Without that its steps are part of the launch, and "
            "EMR ends it after the last one."
        ),
    ] = True
    ebs_root_volume_size_gb: Annotated[
        Count, doc("Size of each node's root volume, in GiB; 0 for the release's own size.")
    ] = 0
    # The range that EMR accepts for AutoTerminationPolicy.
    idle_timeout_seconds: Annotated[
        int,
        Meta(ge=60, le=604_800),
        doc("EMR ends the cluster by itself after this time without work, 60 to 604800. Always set."),
    ]
    max_lifetime_seconds: Annotated[
        int,
        Meta(ge=60),
        doc("After this time the cluster counts as expired (tag expires_at), and `kiln reap` ends it."),
    ]
    termination_protected: Annotated[
        bool,
        doc(
            "Protect the cluster against termination by others. "
            "Kiln clears the protection before it ends a cluster."
        ),
    ] = False
    step_concurrency_level: Annotated[
        int, Meta(ge=1, le=256), doc("How many steps may run side by side, 1 to 256.")
    ] = 1
    tags: Annotated[
        dict[str, str], doc("Further tags of the cluster and its instances. Kiln's own tags win.")
    ] = msgspec.field(default_factory=dict)
    configurations: Annotated[
        tuple[dict[str, Any], ...], doc("EMR configurations, in the form of EMR's API.")
    ] = ()
    python_environment: Annotated[
        str,
        doc("Path of the Python environment that Spark uses on the nodes; empty for the system's Python."),
    ] = ""
    bootstrap_actions: Annotated[
        tuple[BootstrapAction, ...],
        Meta(max_length=MOST_BOOTSTRAP_ACTIONS),
        doc("Scripts that EMR runs on every node before Hadoop exists, at most 16."),
    ] = ()
    join_action: Annotated[
        bool,
        doc("A node that joins later gets what the others have by a bootstrap action (the 16th at most)."),
    ] = True
    custom_ami_id: Annotated[str, doc("AMI to launch from; empty for the release's own.")] = ""

    @property
    def most_nodes(self) -> int:
        """How many nodes the cluster has at most."""
        return 1 + max(self.core_count + self.task_count, self.managed_scaling.maximum_instances)


class Account(Model, frozen=True, kw_only=True):
    """Where AWS is: all that status, list and terminate need. `aws_config_file` empty = the user's own."""

    aws_region: Text
    aws_profile: str = ""
    aws_config_file: str = ""
    kiln_state_uri: S3Uri


class Notifying(Account, frozen=True, kw_only=True):
    """And whom messages about runs go to."""

    kiln_notifications: tuple[Notification, ...] = ()


class Ending(Account, frozen=True, kw_only=True):
    """An account, and the deadline for the end of a cluster: what the terminate action needs."""

    kiln_terminate_timeout_seconds: Seconds
    kiln_poll_interval_seconds: Annotated[float, Meta(gt=0)]


HoldSeconds = Annotated[int, Meta(ge=60, le=604_800)]


class Holding(Account, frozen=True, kw_only=True):
    """And how long a cluster is kept for debugging: what hold needs."""

    kiln_hold_seconds: HoldSeconds = 1800


class Reaping(Ending, frozen=True, kw_only=True):
    """And for how long an idle cluster is left alone beyond its own timeout: what reap needs."""

    kiln_reap_grace_seconds: Count


class Access(Ending, frozen=True, kw_only=True):
    """And how nodes are reached over SSH: what logs and diagnose need."""

    emr_cluster_ssh_user: str = "hadoop"
    emr_cluster_private_key_file: str = ""
    emr_cluster_ssh_proxy_command: str = ""


IfRunning = Literal["fail", "skip", "wait", "attach"]


class Driver(Access, frozen=True, kw_only=True):
    """The driver's own settings."""

    ds: Text
    kiln_environment: Text
    kiln_owner: Text
    emr_cluster_existing: ExistingCluster = ExistingCluster()
    emr_cluster_image: str = "none"
    kiln_after_failure: Literal["terminate", "keep"] = "terminate"
    kiln_after_success: Literal["terminate", "keep"] = "terminate"
    kiln_hold_seconds: HoldSeconds = 1800
    kiln_attempts: Annotated[int, Meta(ge=1, le=20)] = 2
    kiln_attempt_delay_seconds: Count = 60
    kiln_alternatives: tuple[Alternative, ...] = ()
    kiln_most_node_hours: Annotated[float, Meta(ge=0)] = 0.0
    kiln_parallel_runs: Count = 1
    kiln_if_running: IfRunning = "fail"
    kiln_events_queue_url: str = ""
    kiln_cloudwatch_logs: CloudwatchLogs = CloudwatchLogs()
    kiln_notifications: tuple[Notification, ...] = ()
    kiln_launch_timeout_seconds: Seconds
    kiln_step_timeout_seconds: Seconds
    kiln_run_timeout_seconds: Seconds
    kiln_cache_dir: Text
    kiln_vault_generates_secrets: bool = False
    model_repo_url: str = ""
    model_repo_branch: str = ""
    model_repo_version: str = ""
    model_repo_protocols: tuple[Literal["https", "http", "ssh", "file"], ...] = ("https", "ssh")
    model_repo_host_keys: tuple[str, ...] = ()
    model_repo_deploy_key: str = ""
    model_repo_name: Annotated[str, Meta(pattern=names.FOLDER_OR_NOTHING, title=names.FOLDER_WORDS)] = ""
    emr_node_python_requirements: str = ""
    emr_node_python_version: Annotated[
        str, Meta(pattern=r"^3\.[0-9]{1,2}\Z", title="a version in quotes, such as '3.11'")
    ] = "3.11"
    emr_node_architecture: Literal["x86_64", "aarch64"] = "x86_64"
    emr_node_environment_hash: str = ""
    emr_node_os_packages: tuple[str, ...] = ()
    emr_node_os_repositories: tuple[
        Annotated[
            str, Meta(pattern=r"^https?://[^\s@]{1,500}\Z", title="an address like https://host/path/")
        ],
        ...,
    ] = ()
    emr_node_files: tuple[NodeFile, ...] = ()
    emr_node_system_settings: SystemSettings = SystemSettings()
    spark_packages_allowed: bool = False
    steps: tuple[StepSettings, ...] = ()
    dag: Dag | None = None


CLUSTER_PREFIX = "emr_cluster_"


def variables(model: type[Model], prefix: str = "") -> dict[str, msgspec.structs.FieldInfo]:
    """Return variable name -> field of a model."""
    return {prefix + field.encode_name: field for field in msgspec.structs.fields(model)}


def driver_variables() -> dict[str, msgspec.structs.FieldInfo]:
    """Return every variable of the driver in one flat table: a run's, the reaper's, the cluster's shape."""
    return variables(Driver) | variables(Reaping) | variables(ClusterShape, CLUSTER_PREFIX)
