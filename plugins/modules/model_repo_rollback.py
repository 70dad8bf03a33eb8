#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: choose the release of the model repo that a rollback goes back to, on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_repo_rollback
short_description: Choose the release of the model repo that a rollback goes back to
version_added: "0.3.0"
description:
  - Runs on the control host. Fails unless the release lies whole on every node.
  - Without O(release) it is the one that was active before the present one, as the run's ledger has it.
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
  release:
    description: The commit to go back to, at least 7 digits of its id; empty for the previous one.
    type: str
    default: ""
  nodes:
    description: >-
      By node what ansible.builtin.find says of its files C(releases/COMMIT/.kiln-release), with their
      SHA-256.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: N/A
    description: It changes nothing.
extends_documentation_fragment:
  - kiln.account
  - kiln.ledger
"""

EXAMPLES = r"""
- name: Choose the release
  model_repo_rollback:
    pipeline: model_building
    environment: stage
    run_id: nightly-7
    cluster_id: j-2ABCDEFGHIJKL
    nodes:
      10.0.0.7: "{{ found.files }}"
    state_uri: s3://bucket/kiln
    region: us-east-1
  register: chosen
"""

RETURN = r"""
commit:
  description: The commit to go back to.
  returned: success
  type: str
message:
  description: What is wrong, in one line. C(msg) has it too, with RV(details) and RV(fix) below.
  returned: failure
  type: str
fix:
  description: What to change or type; empty when nothing is known.
  returned: failure
  type: str
details:
  description: Further lines, such as the releases that lie on all nodes.
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

from kiln.ansible_modules import answer, options, rollback


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(argument_spec=options.ROLLBACK, supports_check_mode=True)
    answer.answer(module, rollback.work)


if __name__ == "__main__":
    main()
