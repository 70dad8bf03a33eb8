#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: the action plugin of the same name does the work, on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_node_apply
short_description: Apply the definition of the nodes on all of them at once
version_added: "0.2.0"
description:
  - Runs once for all hosts of the play, and starts one program on each of them through one connection of
    OpenSSH. The program applies the items in order, and reports one result an item; a node that fails at an
    item leaves the rest of the items, and the other nodes go on.
  - The connection variables of each host, C(--limit), C(--check), C(--diff), C(--tags) (each item has tags)
    and C(become) work as they do with other modules. The content of secrets is in no argument and no result.
  - Fails when any node has failed, after all nodes are done.
options:
  items:
    description:
      - The items, in order. Each has a C(kind), C(tags), and the keys of that kind.
      - C(packages) has C(names) and C(lock_timeout_seconds); one transaction of dnf.
      - C(files) has C(files), each with C(path), C(content) or C(source), C(owner), C(group) and C(mode), and
        C(checkout), the folder that the sources lie in.
      - C(system_settings) has C(settings) with C(kernel) and C(limits), mappings.
      - C(environment) has C(hash), C(path), C(state_uri), C(python_version), C(architecture) and
        C(requirements). It is fetched from S3 by its SHA-256, or built on the first node that lacks it.
      - C(release) has C(name), C(commit), C(archive), C(sha256) and C(kept); a commit of a model repo.
      - C(secrets) has C(path), C(owner), C(vault_file) and C(shown_as). What the file holds is named by the
        variable C(node_secrets_values).
    type: list
    elements: dict
    required: true
  environment:
    description: Name of the environment, in whose part of S3 digests are kept.
    type: str
    required: true
  checkout:
    description: The checkout of Kiln, which has the lock files.
    type: path
    required: true
  cache_dir:
    description: Folder of the control host for wheels.
    type: path
    required: true
  run:
    description:
      - The run whose nodes these are. Its ledger remembers what each node has, by the instance id in the
        host variable C(kiln_instance_id), and without C(--limit) what all nodes have to have.
      - Empty for nodes of no run.
    type: dict
    default: {}
    suboptions:
      pipeline:
        description: Name of the pipeline.
        type: str
        required: true
      run_id:
        description: Id of the run.
        type: str
        required: true
      cluster_id:
        description: The cluster.
        type: str
        required: true
      state_uri:
        description: S3 prefix of the ledger.
        type: str
        required: true
  push_limit:
    description: More nodes of a run than this fetch a release from S3, and not through their connections.
    type: int
    default: 50
  connect_timeout_seconds:
    description: How long a node may refuse connections. It is connected to again until then.
    type: float
    default: 60.0
  silence_timeout_seconds:
    description: For how long nothing may come from a node, whose program sends a heartbeat every 5 seconds.
    type: float
    default: 60.0
  timeout_seconds:
    description: How long a node may take in all.
    type: float
    default: 1800.0
attributes:
  check_mode:
    support: full
    description: Connects to the nodes and reports what would change.
  diff_mode:
    support: full
    description: Each different change with the nodes that it is for; never the content of a secret.
extends_documentation_fragment:
  - kiln.account
"""

EXAMPLES = r"""
- name: Install packages
  emr_node_apply:
    items:
      - kind: packages
        tags: [packages]
        names: [jq, pigz]
        lock_timeout_seconds: 300
    environment: stage
    checkout: "{{ kiln_checkout }}"
    cache_dir: "{{ kiln_cache_dir }}"
    region: us-east-1
"""

RETURN = r"""
summary:
  description: A line an item, and a line for each node that has failed.
  returned: when nodes were connected to
  type: list
  elements: str
nodes:
  description: By host the state (ok, changed, failed, unreachable), a message, and the result of each item.
  returned: when nodes were connected to
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
  description: Further lines, one for each further node that has failed.
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
