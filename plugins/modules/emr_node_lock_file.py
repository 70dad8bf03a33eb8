#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: a lock file is checked on the control host, by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_node_lock_file
short_description: Check a lock file of Python packages before pip reads it
version_added: "0.2.0"
description:
  - Runs on the control host. Refuses everything but exact versions with SHA-256 hashes, with file, line
    and fix in one message.
options:
  path:
    description: The lock file.
    type: path
    required: true
  shown_as:
    description: Its name in messages.
    type: str
    required: true
extends_documentation_fragment:
  - kiln.control_host
"""

EXAMPLES = r"""
- name: Check the lock file
  emr_node_lock_file:
    path: "{{ kiln_checkout }}/requirements/model_building.txt"
    shown_as: requirements/model_building.txt
"""

RETURN = r"""
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
