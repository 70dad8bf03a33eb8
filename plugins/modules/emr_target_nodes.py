#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: the action plugin of the same name checks a cluster's nodes on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_target_nodes
short_description: Check the running nodes of a cluster and pin their host keys
version_added: "0.2.0"
description:
  - Runs on the control host. Refuses what cannot be a node, such as an address that is no IP address, a
    loopback or link-local address, an unknown group.
  - Pins the SSH host key of each node that has none yet, from its console output (GetConsoleOutput).
    Where EC2 has no key, ssh accepts it at the first contact. What was decided is recorded and shown.
  - Makes the nodes known to the inventory plugin kiln_hosts, which adds them when the inventory is refreshed.
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
  groups:
    description: Groups for each node, beside that of its kind and that of its role's tag.
    type: list
    elements: str
    required: true
  known_hosts_dir:
    description:
      - Folder of the known_hosts files, one a cluster with its id as the name; it is made with mode 0700.
      - Beside each, C(<cluster id>.jsonl) records where the keys came from.
    type: path
    required: true
extends_documentation_fragment:
  - kiln.control_host
  - kiln.account
"""

EXAMPLES = r"""
- name: Check what EMR lists
  emr_target_nodes:
    cluster: "{{ found.clusters[0] }}"
    groups: [emr_target]
    known_hosts_dir: /srv/kiln/.kiln/known_hosts
    region: us-east-1
"""

RETURN = r"""
nodes:
  description: The running nodes.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Private IP address.
      type: str
    groups:
      description: The groups given, and for example emr_core and tag_role_CORE.
      type: list
      elements: str
    variables:
      description:
        - C(kiln_cluster_id), C(kiln_instance_id), and C(kiln_host_key_checking), ssh's StrictHostKeyChecking.
      type: dict
notes:
  description: What was decided about host keys; empty when all of them were known.
  returned: success
  type: list
  elements: str
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
