#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: the action plugin of the same name finds EMR clusters by the tags of their run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_cluster_info
short_description: Find Amazon EMR clusters by run, with their nodes
version_added: "0.1.0"
description:
  - Finds clusters by id, or by the tags that Kiln gives them. Never by name alone.
  - Changes nothing.
options:
  cluster_id:
    description: One cluster by its id; tags are ignored then.
    type: str
  pipeline:
    description: Name of the pipeline. Required without O(cluster_id).
    type: str
  environment:
    description: Name of the environment. Required without O(cluster_id).
    type: str
  run_id:
    description: Only this run's clusters.
    type: str
  states:
    description: Only clusters in these states; the default is every state in which a cluster can be used.
    type: list
    elements: str
    choices: [STARTING, BOOTSTRAPPING, RUNNING, WAITING, TERMINATING, TERMINATED, TERMINATED_WITH_ERRORS]
    default: [STARTING, BOOTSTRAPPING, RUNNING, WAITING]
  one:
    description:
      - Fail unless exactly one cluster can be used; the failure lists what was found.
      - O(states) does not count then.
    type: bool
    default: false
  state_uri:
    description:
      - S3 prefix of the ledger, C(s3://bucket/prefix).
      - With O(one) and O(run_id), a cluster that the run's ledger remembers is waited for while AWS does not
        show it yet.
    type: str
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: N/A
    description: It changes nothing.
extends_documentation_fragment:
  - kiln.account
"""

EXAMPLES = r"""
- name: Find the pipeline's only live cluster
  emr_cluster_info:
    pipeline: model_building
    environment: local
    one: true
    region: us-east-1
  register: found
"""

RETURN = r"""
clusters:
  description: The clusters, oldest first.
  returned: success
  type: list
  elements: dict
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
    tags:
      description: Its tags.
      type: dict
    instances:
      description: Its active nodes.
      type: list
      elements: dict
      contains:
        id:
          description: EMR's id of the node.
          type: str
        ec2_instance_id:
          description: EC2's id of the node.
          type: str
          sample: i-0abc
        private_ip_address:
          description: Its address.
          type: str
        group:
          description: MASTER, CORE or TASK.
          type: str
        state:
          description: EMR's state of the node.
          type: str
          sample: RUNNING
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
