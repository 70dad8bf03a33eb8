#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: find, publish, discard and prune the AMIs that a pipeline's nodes are launched from."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_image
short_description: Find, publish, discard and prune the AMIs of a pipeline's nodes
version_added: "0.1.0"
description:
  - Runs on the control host. An image is found by Kiln's tags and by the fingerprint of what is in it.
  - Only images of the account itself count, and launches take only those that were published.
options:
  state:
    description:
      - V(found) reads. V(published) lets launches use O(image_id), V(discarded) removes it; neither works
        on an image that is not the pipeline's by its tags.
      - V(pruned) deregisters what nothing needs and deletes the snapshots. The newest O(kept) images stay,
        and those that an instance or a live cluster was launched from.
    type: str
    choices: [found, published, discarded, pruned]
    default: found
  pipeline:
    description: Name of the pipeline.
    type: str
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  definition:
    description: What is in the image, names and numbers and lists of names. The fingerprint is made from it.
    type: dict
    required: true
  sources:
    description: Files and folders of the checkout that say how it gets there, part of the fingerprint.
    type: list
    elements: str
    default: []
  checkout:
    description: The checkout of Kiln on the control host.
    type: path
    required: true
  base_owner:
    description: Owner of the images that new ones are made from, an account or V(amazon).
    type: str
    default: amazon
  base_name:
    description: Pattern of their names; the newest one is taken.
    type: str
    required: true
  image_id:
    description: The image to publish or to discard.
    type: str
  kept:
    description: How many published images stay when pruned.
    type: int
    default: 3
  stale_days:
    description: An older image is used with a warning.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: Changes nothing; V(pruned) returns what would be removed.
  diff_mode:
    support: full
    description: Shows the images that V(pruned) removes.
extends_documentation_fragment:
  - kiln.account
"""

EXAMPLES = r"""
- name: Find the image of this definition
  node_image:
    pipeline: model_building
    environment: stage
    definition:
      release_label: emr-spark-8.0.0
      packages: [jq, pigz]
    checkout: /opt/kiln
    base_name: al2023-ami-2023.*-kernel-6.1-x86_64
    region: us-east-1
  register: found
"""

RETURN = r"""
fingerprint:
  description: 16 hex digits over definition and sources.
  returned: success
  type: str
image_id:
  description: >-
    The newest published image with this fingerprint, empty for none; after V(published) the one to use,
    which may be that of another bake.
  returned: state is found or published
  type: str
base_image_id:
  description: The image that a new one would be made from; empty for none.
  returned: state is found
  type: str
is_current:
  description: Whether the image was made from that base image.
  returned: state is found
  type: bool
notes:
  description: What people should know, such as that there is no image, or that it is old.
  returned: state is found
  type: list
  elements: str
is_own:
  description: Whether the image to use is the one that was given.
  returned: state is published
  type: bool
removed:
  description: The images that were removed, each with id and name.
  returned: state is pruned
  type: list
  elements: dict
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

from kiln.ansible_modules import answer, node_image, options


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(argument_spec=options.NODE_IMAGE, supports_check_mode=True)
    answer.answer(module, node_image.work)


if __name__ == "__main__":
    main()
