#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: settings are checked on the control host, by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kiln_check
short_description: Check the files that settings come from, and every -e
version_added: "0.2.0"
description:
  - Runs on the control host. Refuses unknown keys and wrong types as scripts/kiln does, with file, key,
    value and fix in one message.
options:
  checkout:
    description: The checkout of Kiln.
    type: path
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  pipeline:
    description: Name of the pipeline.
    type: str
    required: true
extends_documentation_fragment:
  - kiln.control_host
"""

EXAMPLES = r"""
- name: Refuse unknown keys and wrong types
  kiln_check:
    checkout: "{{ kiln_checkout }}"
    environment: stage
    pipeline: model_building
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
