#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: variables are resolved on the control host, by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kiln_settings
short_description: Resolve variables and write them as JSON
version_added: "0.2.0"
description:
  - Runs on the control host, for the driver. Writes a file that only its owner can read.
  - The file holds C(format), C(values), C(errors) (variable and message) and C(origins) (variable and
    file:line).
options:
  keys:
    description: Names of the variables.
    type: list
    elements: str
    required: true
  path:
    description: The file to write.
    type: path
    required: true
  roles:
    description: The folder of all roles; the defaults of each count.
    type: path
    required: true
extends_documentation_fragment:
  - kiln.control_host
"""

EXAMPLES = r"""
- name: Write the settings
  kiln_settings:
    keys: [aws_region]
    path: settings.json
    roles: "{{ kiln_checkout }}/roles"
"""

RETURN = r"""
errors:
  description: The variables that cannot be resolved, each with the reason in one line.
  returned: always
  type: dict
"""
