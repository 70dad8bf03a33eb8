#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: the action plugin of the same name reads the vault, on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_secrets_file
short_description: Check that the vault can be opened and holds what a pipeline needs
version_added: "0.1.0"
description:
  - Runs on the control host, once for all hosts of the play. What is needed is named by the variable
    C(node_secrets_values); it is no option, because Ansible would evaluate it.
options:
  vault_file:
    description: The encrypted file; its variables begin with C(vault_).
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
- name: Check the vault
  node_secrets_file:
    vault_file: "{{ kiln_checkout }}/vault/stage.yml"
    shown_as: vault/stage.yml
"""

RETURN = r"""
message:
  description: What is wrong, in one line, never with a value.
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
