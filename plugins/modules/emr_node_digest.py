#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: the digest of a packed Python environment, kept where nodes cannot write."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_node_digest
short_description: Read or keep the digest of a packed Python environment
version_added: "0.1.0"
description:
  - Runs on the control host. The digest lies in S3,
    C(<state_uri>/digests/<environment>/<environment_hash>.json); the nodes' policy does not reach it.
  - With O(sha256) it keeps the digest of the archive that a node has just built, and otherwise it reads.
options:
  environment:
    description: Name of the environment.
    type: str
    required: true
  environment_hash:
    description: Name of the Python environment.
    type: str
    required: true
  sha256:
    description: SHA-256 of the archive in hex, to be kept.
    type: str
extends_documentation_fragment:
  - kiln.account
  - kiln.ledger
attributes:
  check_mode:
    support: full
    description: Keeps nothing.
  diff_mode:
    support: none
    description: A digest is not readable by people.
"""

EXAMPLES = r"""
- name: Read the digest
  emr_node_digest:
    environment: stage
    environment_hash: 0123456789abcdef
    state_uri: s3://bucket/kiln
    region: us-east-1
  register: archived
"""

RETURN = r"""
sha256:
  description: >-
    SHA-256 of the archive; empty when there is no digest or no archive, so that the environment has to be
    built.
  returned: success
  type: str
archive:
  description: The archive, s3://….
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

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from kiln.ansible_modules import answer, options
from kiln.nodes import environment_digests

if TYPE_CHECKING:
    from kiln.aws.context import Context


def work(context: Context, module: Any) -> dict[str, Any]:
    """Keep or read a digest."""
    given = module.params
    place = environment_digests.Place(given["state_uri"], given["environment"], given["environment_hash"])
    if given["sha256"] is None:
        digest = environment_digests.read(context.effects, place)
        return {"changed": False, "sha256": digest, "archive": place.archive(digest)}
    archive = place.archive(given["sha256"])
    changed = not module.check_mode and environment_digests.keep(context.effects, place, given["sha256"])
    return {"changed": changed, "sha256": given["sha256"], "archive": archive}


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(argument_spec=options.ENVIRONMENT_DIGEST, supports_check_mode=True)
    answer.answer(module, work)


if __name__ == "__main__":
    main()
