#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: launch or re-attach the EMR cluster of a run, or end it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_cluster
short_description: Launch or end the Amazon EMR cluster of a run
version_added: "0.1.0"
description:
  - Makes sure that the cluster of a run exists, or that it is gone.
  - The intent is written to the run's ledger in S3 before the cluster is launched, and tags that carry the
    run are part of the launch call. A second call with the same run id finds the same cluster.
  - Nothing is reported as ended before DescribeCluster shows it.
options:
  state:
    description:
      - V(present) launches the run's cluster, or finds it when it is there already.
      - V(absent) ends it; a run without a live cluster is no error.
    type: str
    choices: [present, absent]
    default: present
  pipeline:
    description: Name of the pipeline.
    type: str
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  run_id:
    description:
      - Id of the run. Required to launch.
      - Without it V(absent) takes the pipeline's only live cluster, and fails when there are several.
    type: str
  cluster_id:
    description:
      - With O(state=absent), the cluster to end, when it is known already.
      - Refused when its name and tags are of another O(pipeline), O(environment) or O(run_id).
    type: str
  allow_second:
    description:
      - With O(state=present), whether the cluster is launched while another run of the O(pipeline) has a live
        one in the same O(environment), or is about to launch one (it holds the pipeline's lock in S3).
    type: bool
    default: true
  existing:
    description:
      - A cluster that the run uses in place of a launch, by C(id) or by C(tags). It is never ended.
      - With O(state=absent) the run's active steps on such a cluster are cancelled, and it stays.
    type: dict
    suboptions:
      id:
        description: Id of the cluster.
        type: str
        default: ""
      tags:
        description: Tags that exactly one cluster has which can take steps, in place of an id.
        type: dict
        default: {}
      provision:
        description: Put the pipeline's OS packages and Python environment on it.
        type: bool
        default: false
      deploy:
        description: Put the pipeline's model repo and secrets on it.
        type: bool
        default: false
  launched_steps:
    description: Names of the O(steps) that are launched; none for all that the run has left to do.
    type: list
    elements: str
    default: []
  spark_packages_allowed:
    description: Whether Spark jobs may load C(packages) from Maven repositories when they start.
    type: bool
    default: false
  steps:
    description:
      - Steps that are part of the launch when O(keep_alive=false).
      - In the form of the steps of the module C(emr_step).
    type: list
    elements: dict
    default: []
  owner:
    description: Who is asked about this cluster; becomes a tag. Required to launch.
    type: str
  wait:
    description: With O(state=present), wait until the cluster can run steps.
    type: bool
    default: true
  wait_timeout_seconds:
    description: How long to wait for the cluster to be up, or for its end.
    type: int
    default: 1800
  # Written by scripts/document_options.py from src/kiln/settings/model.py:
  release_label:
    description: EMR release, such as emr-spark-8.0.0. Required to launch.
    type: str
  applications:
    description: Applications that EMR installs.
    type: list
    elements: str
    default: []
  log_uri:
    description: Where EMR puts its logs, s3://bucket/prefix/. Required to launch.
    type: str
  key_pair:
    description: EC2 key pair whose public half EMR puts on the nodes. Required to launch.
    type: str
  service_role:
    description: Role that EMR itself uses (iam/service_role.json). Required to launch.
    type: str
  instance_profile:
    description: Instance profile of the nodes (iam/instance_profile.json). Required to launch.
    type: str
  subnet_id:
    description: Subnet of the nodes; empty for one of the account's default VPC.
    type: str
    default: ""
  master_instance_type:
    description: Instance type of the master. Required to launch.
    type: str
  core_instance_type:
    description: Instance type of the core nodes. Required to launch.
    type: str
  core_count:
    description: Number of core nodes. Required to launch.
    type: int
  task_instance_type:
    description: Instance type of the task nodes; empty for the core nodes' type.
    type: str
    default: ""
  task_count:
    description: Number of task nodes.
    type: int
    default: 0
  master_market:
    description: 'How the master is bought: ON_DEMAND or SPOT.'
    type: str
    choices: [ON_DEMAND, SPOT]
    default: ON_DEMAND
  core_market:
    description: 'How the core nodes are bought: ON_DEMAND or SPOT.'
    type: str
    choices: [ON_DEMAND, SPOT]
    default: ON_DEMAND
  task_market:
    description: 'How the task nodes are bought: ON_DEMAND or SPOT.'
    type: str
    choices: [ON_DEMAND, SPOT]
    default: ON_DEMAND
  master_bid_price:
    description: >-
      Most dollars an hour for one spot instance of the group, as text; empty for the on-demand
      price.
    type: str
    default: ""
  core_bid_price:
    description: >-
      Most dollars an hour for one spot instance of the group, as text; empty for the on-demand
      price.
    type: str
    default: ""
  task_bid_price:
    description: >-
      Most dollars an hour for one spot instance of the group, as text; empty for the on-demand
      price.
    type: str
    default: ""
  managed_scaling:
    description: >-
      Limits within which EMR changes the number of core and task nodes as YARN has work for them.
    type: dict
    default: {}
    suboptions:
      minimum_instances:
        description: At least this many core and task nodes.
        type: int
        default: 1
      maximum_instances:
        description: At most this many; 0 for no managed scaling.
        type: int
        default: 0
      maximum_on_demand_instances:
        description: At most this many on demand, the others spot instances; all without it.
        type: int
      maximum_core_instances:
        description: At most this many core nodes, the others task nodes; all without it.
        type: int
  keep_alive:
    description: >-
      Keep the cluster when it has no step to run. Without that its steps are part of the launch,
      and EMR ends it after the last one.
    type: bool
    default: true
  ebs_root_volume_size_gb:
    description: Size of each node's root volume, in GiB; 0 for the release's own size.
    type: int
    default: 0
  idle_timeout_seconds:
    description: >-
      EMR ends the cluster by itself after this time without work, 60 to 604800. Always set.
      Required to launch.
    type: int
  max_lifetime_seconds:
    description: >-
      After this time the cluster counts as expired (tag expires_at), and `kiln reap` ends it.
      Required to launch.
    type: int
  termination_protected:
    description: >-
      Protect the cluster against termination by others. Kiln clears the protection before it ends
      a cluster.
    type: bool
    default: false
  step_concurrency_level:
    description: How many steps may run side by side, 1 to 256.
    type: int
    default: 1
  tags:
    description: Further tags of the cluster and its instances. Kiln's own tags win.
    type: dict
    default: {}
  configurations:
    description: EMR configurations, in the form of EMR's API.
    type: list
    elements: dict
    default: []
  python_environment:
    description: >-
      Path of the Python environment that Spark uses on the nodes; empty for the system's Python.
    type: str
    default: ""
  bootstrap_actions:
    description: Scripts that EMR runs on every node before Hadoop exists, at most 16.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the action.
        type: str
        required: true
      path:
        description: The script, s3://….
        type: str
        required: true
      args:
        description: Its arguments.
        type: list
        elements: str
        default: []
  join_action:
    description: >-
      A node that joins later gets what the others have by a bootstrap action (the 16th at most).
    type: bool
    default: true
  custom_ami_id:
    description: AMI to launch from; empty for the release's own.
    type: str
    default: ""
  # End of what scripts/document_options.py writes.
attributes:
  check_mode:
    support: full
    description: Reports what would happen and the exact request, and asks AWS only.
  diff_mode:
    support: full
    description: Shows the request of a launch, and the clusters that are ended.
extends_documentation_fragment:
  - kiln.account
  - kiln.ledger
  - kiln.ssh
  - kiln.waiting
"""

EXAMPLES = r"""
- name: Launch the cluster of a run
  emr_cluster:
    pipeline: model_building
    environment: local
    run_id: 20261121t073000z-4f1c
    owner: data-platform
    state_uri: s3://kiln-local-state/kiln
    region: us-east-1
    release_label: emr-spark-8.0.0
    applications: [Hadoop, Spark]
    log_uri: s3://kiln-local-logs/emr/
    key_pair: kiln-local
    service_role: EMR_DefaultRole_V2
    instance_profile: EMR_EC2_DefaultRole
    master_instance_type: m5.xlarge
    core_instance_type: m5.xlarge
    core_count: 2
    idle_timeout_seconds: 3600
    max_lifetime_seconds: 14400

- name: End it
  emr_cluster:
    state: absent
    pipeline: model_building
    environment: local
    run_id: 20261121t073000z-4f1c
    state_uri: s3://kiln-local-state/kiln
    region: us-east-1
"""

RETURN = r"""
cluster:
  description: The cluster; empty when there is none, or when check mode would launch one.
  returned: success
  type: dict
  contains:
    id:
      description: Cluster id.
      type: str
      sample: j-2ABCDEFGHIJKL
    name:
      description: Its name.
      type: str
    state:
      description: EMR's state.
      type: str
      sample: WAITING
    run_id:
      description: The run's id.
      type: str
    pipeline:
      description: The pipeline's name.
      type: str
    environment:
      description: The environment's name.
      type: str
    master_public_dns_name:
      description: Name of the master node.
      type: str
    release_label:
      description: EMR release.
      type: str
    log_uri:
      description: Where its logs are, C(s3://…/).
      type: str
request:
  description: The RunJobFlow request that was sent or would be.
  returned: when a cluster was launched or would be
  type: dict
message:
  description: What is wrong, in one line. C(msg) has it too, with RV(details) and RV(fix) below.
  returned: failure
  type: str
fix:
  description: What to change or type; empty when nothing is known.
  returned: failure
  type: str
details:
  description: Further lines, such as the clusters that were found.
  returned: failure
  type: list
  elements: str
exit_code:
  description: The exit code that scripts/kiln gives for this failure.
  returned: failure
  type: int
failure_class:
  description: The class of the failure, see docs/failure_classes.md.
  returned: failure
  type: str
cluster_id:
  description: A cluster that had been launched before the failure; empty without one.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from kiln.ansible_modules import answer, cluster, options


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(
        argument_spec=options.CLUSTER, required_if=options.CLUSTER_REQUIRED_IF, supports_check_mode=True
    )
    answer.answer(module, cluster.work)


if __name__ == "__main__":
    main()
