#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: run steps on an EMR cluster, each once a run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_step
short_description: Run steps on an Amazon EMR cluster
version_added: "0.1.0"
description:
  - Adds steps to a cluster when what they need has ended, side by side up to the cluster's step concurrency,
    and waits for them. When none says what it needs they run in order. After a step that failed only those
    that are C(always) begin.
  - A step that the run's ledger knows is not added again. One that is still active is waited for, one that is
    complete is left alone, one that failed or was cancelled is added again.
  - Fails when a step that is active or complete was added with another identity. The identity is jar and
    arguments, the model repo's commit and the Python environment on the nodes, and the inputs.
options:
  state:
    description: V(present) means that the steps have been added to the cluster.
    type: str
    choices: [present]
    default: present
  cluster_id:
    description: The cluster.
    type: str
    required: true
  steps:
    description: The steps, in order.
    type: list
    elements: dict
    required: true
    suboptions:
      # Written by scripts/document_options.py from src/kiln/settings/model.py:
      name:
        description: Name of the step, unique in its pipeline.
        type: str
        required: true
      jar:
        description: The jar, such as command-runner.jar.
        type: str
        required: true
      args:
        description: 'Its arguments. Never a secret: the API shows them to everybody who may read.'
        type: list
        elements: str
        default: []
      group:
        description: Name of the group it belongs to, for the command line.
        type: str
        default: ""
      action_on_failure:
        description: What EMR does when the step fails.
        type: str
        choices: [CONTINUE, CANCEL_AND_WAIT, TERMINATE_CLUSTER]
        default: CONTINUE
      timeout_seconds:
        description: Deadline of this step; without it the one of all steps.
        type: int
      needs:
        description: >-
          Steps that must have ended well before it begins. When no step of the pipeline names any,
          each needs the one before it; otherwise a step without `needs` begins at once.
        type: list
        elements: str
      optional:
        description: Its failure does not fail the run, nor the steps that need it.
        type: bool
        default: false
      always:
        description: >-
          A clean-up step: begins when all others have ended, also when one has failed. It may only
          need other clean-up steps, whatever their end.
        type: bool
        default: false
      repeatable:
        description: >-
          It may run twice: it is added again when nobody knows whether an addition had an effect.
        type: bool
        default: false
      durable:
        description: >-
          What it leaves outlives the cluster (in S3, say): once complete, no new cluster runs it
          again.
        type: bool
        default: false
      inputs:
        description: >-
          S3 prefixes that it reads. A complete step is not taken for done when they have changed.
        type: list
        elements: str
        default: []
      outputs:
        description: >-
          S3 prefixes that the step fills. Their sizes and any metrics.json there go into the result.
        type: list
        elements: str
        default: []
      # End of what scripts/document_options.py writes.
  again:
    description: Run steps again that are complete, also those that were added with another identity.
    type: bool
    default: false
  wait:
    description: >-
      Wait for the end of the steps. Without it they are all added at once; steps that need each other are
      then refused on a cluster that runs steps side by side.
    type: bool
    default: true
  timeout_seconds:
    description: Deadline of one step. A step that is late is cancelled.
    type: int
    default: 14400
    aliases: [timeout]
attributes:
  check_mode:
    support: full
    description: Reports which steps would be added.
  diff_mode:
    support: full
    description: Shows the steps that are added.
extends_documentation_fragment:
  - kiln.account
  - kiln.ledger
  - kiln.waiting
"""

EXAMPLES = r"""
- name: Build the sender models
  emr_step:
    cluster_id: j-2ABCDEFGHIJKL
    state_uri: s3://kiln-local-state/kiln
    region: us-east-1
    steps:
      - name: sd
        jar: command-runner.jar
        args: [spark-submit, --deploy-mode, cluster, /opt/kiln/models/model_repo/current/jobs/sd.py]
"""

RETURN = r"""
steps:
  description: The steps, in order.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Step id; empty in check mode for one that would be added.
      type: str
      sample: s-1ABCDEFGHIJKL
    name:
      description: Its name.
      type: str
    state:
      description: EMR's state.
      type: str
      sample: COMPLETED
    failure:
      description: What EMR reports about a failure; empty without one.
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

from kiln.ansible_modules import answer, options, step


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(argument_spec=options.STEP, supports_check_mode=True)
    answer.answer(module, step.work)


if __name__ == "__main__":
    main()
