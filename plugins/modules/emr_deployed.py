#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: remember in the run's ledger what was put on the nodes of its cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_deployed
short_description: Remember what was put on the nodes of an Amazon EMR cluster
version_added: "0.1.0"
description:
  - Runs on the control host after a rollback; C(emr_node_apply) remembers what it has put on nodes itself.
    A step that is complete is taken for done only when the model repo's commit is still the one that it ran
    with, and nodes that join later get this commit.
  - A run without a ledger gets none. The cluster's tag C(code_commit) holds the commit too.
options:
  pipeline:
    description: Name of the pipeline.
    type: str
    required: true
  environment:
    description: Name of the environment.
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
  commit:
    description: The model repo's commit that is active on the nodes.
    type: str
    required: true
  instances:
    description: Instance ids of all nodes of the cluster.
    type: list
    elements: str
    required: true
  is_rollback:
    description: >-
      The commit had been active before, and those that came after it are undone: the release before it is
      what the next rollback goes back to.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Writes nothing.
  diff_mode:
    support: none
    description: Nothing that people edit is changed.
extends_documentation_fragment:
  - kiln.account
  - kiln.ledger
"""

EXAMPLES = r"""
- name: Remember the commit on the nodes
  emr_deployed:
    pipeline: model_building
    environment: stage
    run_id: nightly-7
    cluster_id: j-2ABCDEFGHIJKL
    commit: 0123456789abcdef0123456789abcdef01234567
    instances: [i-0123456789abcdef0]
    state_uri: s3://bucket/kiln
    region: us-east-1
"""

RETURN = r"""
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

from kiln.ansible_modules import answer, deployed, options


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(argument_spec=options.DEPLOYED, supports_check_mode=True)
    answer.answer(module, deployed.work)


if __name__ == "__main__":
    main()
