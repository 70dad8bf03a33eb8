#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: the action plugin of the same name checks a cluster's nodes on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_target_nodes
short_description: Check the running nodes of a cluster for add_host
version_added: "0.2.0"
description:
  - Runs on the control host. Refuses what cannot be a node, such as an address that is no IP address, a
    loopback or link-local address, an
    unknown group.
  - Warns of hosts that the dynamic inventory has and EMR does not list; they are left out.
options:
  cluster:
    description: The cluster, as C(emr_cluster_info) returns it.
    type: dict
    required: true
  only:
    description:
      - Instance ids of the nodes that are meant; they may still be at their bootstrap actions. Empty for all
        running nodes.
    type: list
    elements: str
    default: []
  tagged:
    description: Hosts whose tags name the cluster.
    type: list
    elements: str
    required: true
  incomplete:
    description: Hosts with tags of Kiln that name no cluster.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - kiln.control_host
"""

EXAMPLES = r"""
- name: Check what EMR lists
  emr_target_nodes:
    cluster: "{{ found.clusters[0] }}"
    tagged: []
    incomplete: []
"""

RETURN = r"""
nodes:
  description: The running nodes, for ansible.builtin.add_host.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Private IP address.
      type: str
    group:
      description: emr_master, emr_core or emr_task.
      type: str
    instance_id:
      description: EC2's id.
      type: str
message:
  description: What is wrong, in one line.
  returned: failure
  type: str
fix:
  description: What to change or type; empty when nothing is known.
  returned: failure
  type: str
details:
  description: Further lines.
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
"""
