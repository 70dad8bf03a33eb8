#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: the action plugin of the same name pins the key on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kiln_host_keys
short_description: Pin the SSH host key of a plain instance
version_added: "0.2.0"
description:
  - Runs on the control host. Pins the SSH host key of an instance that has none yet, from its console output
    (GetConsoleOutput). Where EC2 has no key, ssh accepts it at the first contact. What was decided is
    recorded and shown.
options:
  file:
    description:
      - The known_hosts file; its folder is made with mode 0700.
      - Beside it, the file with C(.jsonl) added to the name records where the key came from.
    type: path
    required: true
  instance_id:
    description: The instance, whose id is the name of the key in the file.
    type: str
    required: true
  address:
    description: Its private IP address, for messages.
    type: str
    required: true
extends_documentation_fragment:
  - kiln.control_host
  - kiln.account
"""

EXAMPLES = r"""
- name: Pin its host key
  kiln_host_keys:
    file: /srv/kiln/.kiln/known_hosts/notebooks
    instance_id: i-0123456789abcdef0
    address: 10.0.0.7
    region: us-east-1
"""

RETURN = r"""
ssh_arguments:
  description: Options for C(ansible_ssh_common_args).
  returned: success
  type: str
notes:
  description: What was decided about the key; empty when it was known.
  returned: success
  type: list
  elements: str
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
