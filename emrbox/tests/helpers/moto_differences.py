"""Where moto's own tests of EMR differ from AWS, or need what emrbox does not have."""

from __future__ import annotations

from typing import NamedTuple


class Replacement(NamedTuple):
    """A text of the tests, in a request or in what is expected, what stands in its place, and why."""

    text: str
    by: str
    why: str


_RELEASE = '"ReleaseLabel": "emr-5.31.0"'
_ROLES = '"ServiceRole": "EMR_DefaultRole", "JobFlowRole": "EMR_EC2_DefaultRole"'
_SCALING = '"AutoScalingRole": "EMR_AutoScaling_DefaultRole"'
_GROUPS = '{"InstanceGroups": input_instance_groups'
_NO_HOURS, _HOURS = '"NormalizedInstanceHours": 0,', '"NormalizedInstanceHours": 24,'

# Values that AWS refuses or does not answer with: docs/aws_facts.md 1.7, 2.1 to 2.5.
REPLACED = (
    Replacement(
        '"Name": "cluster",',
        f'"Name": "cluster", {_RELEASE}, {_SCALING},',
        "a launch names a release, and a role if it has scaling policies",
    ),
    Replacement(
        '"Name": "test-cluster",',
        f'"Name": "test-cluster", {_RELEASE}, {_ROLES},',
        "a launch names a release and its roles",
    ),
    Replacement(
        f"= {_GROUPS}}}",
        f'= {_GROUPS}, "KeepJobFlowAliveWhenNoSteps": True}}',
        "a cluster that is not kept alive waits for its first step before it is ready",
    ),
    Replacement("c3.medium", "c3.xlarge", "EC2 has no such type"),
    Replacement("c3.large", "c3.xlarge", "EMR does not run on this type"),
    Replacement("s3://mybucket/log", "s3n://mybucket/log", "EMR answers with the scheme s3n"),
    Replacement(_NO_HOURS, _HOURS, "EMR counts hours: three instances of 8 units in their first one"),
    Replacement('["NormalizedInstanceHours"] == 0', '["NormalizedInstanceHours"] == 24', "the same"),
    Replacement(
        '"EbsRootVolumeSize": 10,',
        '"ReleaseLabel": "emr-6.15.0", "EbsRootVolumeSize": 15,',
        "root volumes have IOPS from this release on, and from emr-6.10.0 on 15 GiB at least",
    ),
    Replacement('["EbsRootVolumeSize"] == 10', '["EbsRootVolumeSize"] == 15', "the same"),
    Replacement("ap-south-1", "us-east-1", "emrbox has clusters in this region only"),
)

_MOTO_ITSELF = "it tests moto's own objects, and calls no endpoint"
_CLOUDFORMATION = "emrbox refuses CloudFormation's resources of EMR by name"
_BEFORE_EMR_4 = "it launches with AmiVersion: releases before emr-4.0.0, which emrbox does not have"
_OTHER_REGION = "it launches in another region than us-east-1"
_PUBLIC = "it wants public names or addresses: the default VPC's subnets give private ones only"

_HOLLOW = "EMR makes its groups with a cluster's first instances, and hollow clusters have none"
_OWN_WORDS = "it has Kerberos, and versions of applications and of the system that no release has"
_DETACHED = "it wants no trace of a removed policy; here its state is DETACHED, one of the model's"
_NO_CODE = "it wants a code of a healthy group's reason, which has none (docs/aws_facts.md 1.1)"
_OLD_RELEASE = "it launches emr-5.6.0; emrbox has releases from emr-5.20.0 on"

# Tests that are not run, by file and name, and why.
LEFT_OUT = {
    "test_emr_boto3.py": {
        "test_describe_cluster": _OWN_WORDS,
        "test_describe_cluster_master_public_dns": _PUBLIC,
        "test_describe_job_flow": _BEFORE_EMR_4,
        "test_instance_groups": _NO_CODE,
        "test_instances": _PUBLIC,
        "test_put_remove_auto_scaling_policy": _DETACHED,
        "test_run_job_flow_in_multiple_regions": _OTHER_REGION,
        "test_run_job_flow_with_custom_ami": _OLD_RELEASE,
    },
    "test_emr_cloudformation.py": {
        "test_create_advanced_instance_group": _CLOUDFORMATION,
        "test_create_cluster_with_custom_ami": _CLOUDFORMATION,
        "test_create_cluster_with_kerberos_attrs": _CLOUDFORMATION,
        "test_create_cluster_with_root_volume": _CLOUDFORMATION,
        "test_create_simple_cluster__using_cloudformation": _CLOUDFORMATION,
        "test_create_simple_cluster_with_tags": _CLOUDFORMATION,
        "test_create_simple_instance_group": _CLOUDFORMATION,
    },
    "test_emr_integration.py": {
        "TestEmrSecurityGroupManager": _MOTO_ITSELF,
        "test_default_emr_security_groups_get_created_on_first_job_flow": _HOLLOW,
    },
    "test_server.py": {"test_describe_jobflows": _MOTO_ITSELF},
    "test_utils.py": {
        "test_invalid_release_labels_raise_exception": _MOTO_ITSELF,
        "test_release_label_comparisons": _MOTO_ITSELF,
    },
}
