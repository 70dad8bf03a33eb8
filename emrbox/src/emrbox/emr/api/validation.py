"""What EMR refuses beyond its model: rules between members. Sources: docs/aws_facts.md 1.4-1.7, 2.1-2.10."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import validation_error
from emrbox.emr import instance_types, releases, storage
from emrbox.emr.api import fleet_validation, launch_values, scaling_validation, unavailable
from emrbox.emr.life import states
from emrbox.emr.life.model import HA_MASTERS, MAXIMUM_INSTANCES_IN_GROUP
from emrbox.emr.life.states import ActionOnFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FORBIDDEN_IN_NAME = re.compile(r"[<>$|`]")
MAXIMUM_BOOTSTRAP_ACTIONS = 16
MAXIMUM_ACTIVE_STEPS = 256
MAXIMUM_STEP_CHARACTERS = 10_240
MAXIMUM_TASK_GROUPS = 48
COMMAND_RUNNER = "command-runner.jar"
MISSING_RUNNERS = {
    "spark-example": "jar of Spark's examples",
    "hive-script": "Hive",
    "pig-script": "Pig",
}
STEP_CONCURRENCY = range(1, 257)
IDLE_TIMEOUT_SECONDS = range(60, 604_801)
TAG_KEY_LENGTH, TAG_VALUE_LENGTH = 128, 256


def check_run_job_flow(request: Mapping[str, Any], *, is_hollow: bool) -> None:
    """Check a RunJobFlow request that already fits the model. Raises ValidationException.

    A hollow cluster may have what nodes here cannot have.
    """
    if FORBIDDEN_IN_NAME.search(request["Name"]):
        raise validation_error("Invalid cluster name: it may not contain <, >, $, | or `.")
    _check_release(request)
    if not request.get("ServiceRole"):
        raise validation_error("ServiceRole is required for creating cluster.")
    if not request.get("JobFlowRole"):
        raise validation_error("InstanceProfile is required for creating cluster.")
    unavailable.check("RunJobFlow", request)
    names = [one.get("Name", "") for one in request.get("Applications", [])]
    _check_applications(request["ReleaseLabel"], names, is_hollow)
    launch_values.check(request, is_hollow=is_hollow)
    check_instances(request["Instances"], is_hollow=is_hollow)
    scaling_validation.check_launch(request)
    check_types(request["ReleaseLabel"], _type_names(request["Instances"]), is_hollow=is_hollow)
    if request.get("CustomAmiId") and any("CustomAmiId" in one for one in _types(request["Instances"])):
        raise validation_error(
            "CustomAmiId can be given for the cluster or for instance groups and fleets, not for both."
        )
    check_configurations(request.get("Configurations", []))
    concurrency = request.get("StepConcurrencyLevel", 1)
    check_step_concurrency(concurrency)
    if len(request.get("BootstrapActions", [])) > MAXIMUM_BOOTSTRAP_ACTIONS:
        raise validation_error(f"The maximum number of bootstrap actions is {MAXIMUM_BOOTSTRAP_ACTIONS}.")
    check_steps(request.get("Steps", []), active=0, concurrency=concurrency, is_hollow=is_hollow)
    check_tags(request.get("Tags", []))
    if "AutoTerminationPolicy" in request:
        check_idle_timeout(request["AutoTerminationPolicy"])
    log_uri = request.get("LogUri")
    if log_uri and not re.match(r"s3[an]?://[^/]+", log_uri):
        raise validation_error("The log URI is not a valid S3 location.")


def _check_release(request: Mapping[str, Any]) -> None:
    named = [m for m in ("ReleaseLabel", "AmiVersion") if request.get(m)]
    if request["Instances"].get("HadoopVersion"):
        named.append("HadoopVersion")
    if len(named) != 1:
        raise validation_error("Must specify exactly one of release label, AMI version, or Hadoop version.")
    label = request.get("ReleaseLabel")
    if label not in releases.RELEASES:
        raise validation_error(
            f"The supplied release label is invalid: {label or request.get('AmiVersion')}."
        )


def _check_applications(label: str, names: Iterable[str], is_hollow: bool) -> None:  # noqa: FBT001
    known = {name.lower() for name in releases.RELEASES[label].applications}
    installed = {name.lower() for name in releases.INSTALLED}
    for name in names:
        if name.lower() not in known:
            raise validation_error(f"Specified application: {name} is not supported.")
        if not is_hollow and name.lower() not in installed:
            raise validation_error(
                f"The application {name} is not available in this region: nodes of emrbox have "
                f"{' and '.join(releases.INSTALLED)}; clusters without nodes (tag emrbox:hollow) take it."
            )


def _types(instances: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    fleets = instances.get("InstanceFleets", [])
    of_fleets = [config for fleet in fleets for config in fleet.get("InstanceTypeConfigs", [])]
    return [*instances.get("InstanceGroups", []), *of_fleets]


def _type_names(instances: Mapping[str, Any]) -> set[str]:
    simple = (instances.get(member) for member in ("MasterInstanceType", "SlaveInstanceType"))
    return {name for name in (*simple, *(one["InstanceType"] for one in _types(instances))) if name}


def check_types(label: str, names: Iterable[str], *, is_hollow: bool) -> None:
    """Check that a release, and the nodes that are here, run on these types. Raises ValidationException."""
    supported = releases.types_of(label)
    for name in sorted(names):
        if name not in supported:
            raise validation_error(f"Instance type '{name}' is not supported.")
        architecture = instance_types.by_name()[name].architecture
        if not is_hollow and architecture != instance_types.X86_64:
            raise validation_error(
                f"The instance type {name} ({architecture}) is not available in this region: nodes of emrbox "
                f"are {instance_types.X86_64}; clusters without nodes (tag emrbox:hollow) take it."
            )


def check_instances(instances: Mapping[str, Any], *, is_hollow: bool) -> None:
    """Check for exactly one of groups, fleets and the simple form, whole in itself."""
    simple = any(m in instances for m in ("MasterInstanceType", "SlaveInstanceType", "InstanceCount"))
    forms = [simple, "InstanceGroups" in instances, "InstanceFleets" in instances]
    if sum(forms) != 1:
        raise validation_error(
            "Please specify exactly one of: instance groups, instance fleets, or instance types."
        )
    _check_places(instances)
    if ("EmrManagedMasterSecurityGroup" in instances) != ("EmrManagedSlaveSecurityGroup" in instances):
        raise validation_error(
            "Specify both EmrManagedMasterSecurityGroup and EmrManagedSlaveSecurityGroup, or neither."
        )
    if simple:
        _check_simple(instances)
    elif "InstanceGroups" in instances:
        _check_groups(instances["InstanceGroups"], is_hollow=is_hollow)
    else:
        fleet_validation.check_fleets(instances["InstanceFleets"])


def _check_places(instances: Mapping[str, Any]) -> None:
    """Several subnets or zones to choose from are for fleets (model). The words of refusals are a guess."""
    zones = instances.get("Placement", {}).get("AvailabilityZones")
    if (instances.get("Ec2SubnetIds") or zones) and "InstanceFleets" not in instances:
        raise validation_error("Ec2SubnetIds and AvailabilityZones require instance fleets.")
    if (instances.get("Ec2SubnetIds") or instances.get("Ec2SubnetId")) and zones:
        raise validation_error("Subnets and availability zones cannot be specified together.")
    if instances.get("Ec2SubnetIds") and instances.get("Ec2SubnetId"):
        raise validation_error("Specify either Ec2SubnetId or Ec2SubnetIds.")


def _check_simple(instances: Mapping[str, Any]) -> None:
    count = instances.get("InstanceCount", 1)
    if not 1 <= count <= MAXIMUM_INSTANCES_IN_GROUP:
        raise validation_error("Instance count must be between 1 and 2000.")
    master = instances.get("MasterInstanceType")
    if not master:
        raise validation_error("MasterInstanceType is required.")
    if count > 1 and not instances.get("SlaveInstanceType"):
        raise validation_error("SlaveInstanceType is required when the instance count is more than 1.")
    for name in filter(None, (master, instances.get("SlaveInstanceType"))):
        _check_instance_type(name)


def _check_groups(groups: Sequence[Mapping[str, Any]], *, is_hollow: bool) -> None:
    roles = [group["InstanceRole"] for group in groups]
    if roles.count("MASTER") != 1:
        raise validation_error("There must be exactly one MASTER instance group.")
    if roles.count("CORE") > 1:
        raise validation_error("There can be at most one CORE instance group.")
    if "TASK" in roles and "CORE" not in roles:
        raise validation_error("A TASK instance group requires a CORE instance group.")
    if roles.count("TASK") > MAXIMUM_TASK_GROUPS:
        raise validation_error(f"The maximum number of TASK instance groups is {MAXIMUM_TASK_GROUPS}.")
    for group in groups:
        if group["InstanceRole"] == "MASTER":
            _check_masters(group["InstanceCount"], is_hollow=is_hollow)
        _check_group(group)


def _check_masters(count: int, *, is_hollow: bool) -> None:
    """One, or three of high availability, whose daemons nodes here do not have."""
    if count not in {1, HA_MASTERS}:
        raise validation_error("Master instance group must have exactly 3 instances for HA clusters.")
    if count == HA_MASTERS and not is_hollow:
        raise validation_error(
            "Clusters with three master nodes are not available in this region: nodes of emrbox run one "
            "NameNode and one ResourceManager; clusters without nodes (tag emrbox:hollow) may have three."
        )


def check_added_groups(groups: Sequence[Mapping[str, Any]], roles: Sequence[str]) -> None:
    """Check groups that are added to a cluster that has groups of these roles. Raises ValidationException."""
    for group in groups:
        if group["InstanceRole"] == "MASTER":
            raise validation_error("A MASTER instance group cannot be added to a running cluster.")
        if group["InstanceRole"] == "CORE":
            # Guess: with a core group there is one already; a cluster of one node keeps its form here.
            raise validation_error("Only TASK instance groups can be added to a running cluster.")
        _check_group(group)
    if groups and "CORE" not in roles:
        raise validation_error("A TASK instance group requires a CORE instance group.")
    added = sum(group["InstanceRole"] == "TASK" for group in groups)
    if list(roles).count("TASK") + added > MAXIMUM_TASK_GROUPS:
        raise validation_error(f"The maximum number of TASK instance groups is {MAXIMUM_TASK_GROUPS}.")


def _check_group(group: Mapping[str, Any]) -> None:
    role, count = group["InstanceRole"], group["InstanceCount"]
    lowest = 0 if role == "TASK" else 1
    if not lowest <= count <= MAXIMUM_INSTANCES_IN_GROUP:
        raise validation_error(f"Invalid instance count {count} for the {role} instance group.")
    if "BidPrice" in group and group.get("Market") == "ON_DEMAND":
        raise validation_error("A bid price cannot be given for an ON_DEMAND instance group.")
    check_type(role, group)


def check_type(role: str, config: Mapping[str, Any]) -> None:
    """Check an instance type of a group or fleet, with what its instances are to have."""
    if "BidPrice" in config and not re.fullmatch(r"\d+(\.\d{1,3})?", config["BidPrice"]):
        raise validation_error("The bid price is not valid: at most three decimals.")
    _check_instance_type(config["InstanceType"])
    if wrong := storage.mistake(config.get("EbsConfiguration", {}), role):
        raise validation_error(wrong)
    check_configurations(config.get("Configurations", []))


def _check_instance_type(name: str) -> None:
    if name not in instance_types.by_name():
        raise validation_error(f"Instance type '{name}' is not supported.")


def check_configurations(configurations: Iterable[Mapping[str, Any]]) -> None:
    """Known classifications only; `*-env` ones hold their variables in a nested `export` block."""
    seen = set()
    for configuration in configurations:
        name = configuration.get("Classification")
        if name not in releases.CLASSIFICATIONS:
            raise validation_error(
                f"The supplied configuration has an invalid classification: {name or '(none)'}."
            )
        if name in seen:
            raise validation_error(f"Multiple configurations with the same classification {name} found.")
        seen.add(name)
        nested = configuration.get("Configurations", [])
        if name in releases.ENV_CLASSIFICATIONS:
            if configuration.get("Properties") or any(n.get("Classification") != "export" for n in nested):
                raise validation_error(
                    f"Classification {name} takes its properties in a nested 'export' block."
                )
        elif nested:
            raise validation_error(f"Classification {name} does not support nested configurations.")


def check_steps(
    steps: Sequence[Mapping[str, Any]], *, active: int, concurrency: int, is_hollow: bool
) -> None:
    """Check new steps for a cluster that has `active` steps and runs `concurrency` at once."""
    if active + len(steps) > MAXIMUM_ACTIVE_STEPS:
        raise validation_error(
            "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') "
            "for cluster exceeded."
        )
    for step in steps:
        action = ActionOnFailure(step.get("ActionOnFailure", states.DEFAULT_ACTION_ON_FAILURE))
        if concurrency > 1 and action is not ActionOnFailure.CONTINUE:
            raise validation_error(f"Action on failure '{action}' is invalid.")
        jar = step["HadoopJarStep"]
        if not is_hollow:
            _check_runner(step["Name"], jar)
        pairs = jar.get("Properties", [])
        texts = [jar["Jar"], jar.get("MainClass", ""), *jar.get("Args", [])]
        texts += [p.get(m, "") for p in pairs for m in ("Key", "Value")]
        if sum(map(len, texts)) > MAXIMUM_STEP_CHARACTERS:
            raise validation_error(f"The step's strings exceed {MAXIMUM_STEP_CHARACTERS} characters.")


def _check_runner(name: str, jar: Mapping[str, Any]) -> None:
    """Refuse the commands of command-runner.jar for which nodes here lack the software."""
    [command, *_] = jar.get("Args", []) or [""]
    missing = MISSING_RUNNERS.get(command)
    if missing and jar["Jar"].rpartition("/")[2] == COMMAND_RUNNER:
        raise validation_error(
            f"{command} (step {name[:100]}) is not available in this region: nodes of emrbox have no "
            f"{missing}."
        )


def check_step_concurrency(level: int) -> None:
    """1 to 256 steps at once."""
    if level not in STEP_CONCURRENCY:
        raise validation_error("Step concurrency level must be between 1 and 256.")


def check_idle_timeout(policy: Mapping[str, Any]) -> None:
    """One minute to seven days."""
    if policy.get("IdleTimeout", 3600) not in IDLE_TIMEOUT_SECONDS:
        raise validation_error("The idle timeout must be between 60 and 604800 seconds.")


def check_tags(tags: Iterable[Mapping[str, str]]) -> None:
    """Keys and values in length, `aws:` reserved, no key twice."""
    keys = [tag.get("Key", "") for tag in tags]
    if len(keys) != len(set(keys)):
        raise validation_error("Duplicate tag keys are not allowed.")
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not 1 <= len(key) <= TAG_KEY_LENGTH or len(value) > TAG_VALUE_LENGTH:
            raise validation_error("A tag's key has 1 to 128 characters, its value at most 256.")
        check_tag_key(key)


def check_tag_key(key: str) -> None:
    """Refuse a key that is reserved for AWS (docs/aws_facts.md 2.10)."""
    if key.lower().startswith("aws:"):
        raise validation_error("Tag keys that start with 'aws:' are reserved.")
