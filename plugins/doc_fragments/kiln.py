# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation of the options that several of Kiln's modules have."""

from __future__ import annotations


class ModuleDocFragment:
    """Parts of documentation for extends_documentation_fragment: `kiln.account`, `kiln.ledger` and so on."""

    ACCOUNT = r"""
options:
  region:
    description: AWS region.
    type: str
    required: true
  profile:
    description: AWS profile; empty for the SDK's usual chain.
    type: str
    default: ""
  aws_config_file:
    description: AWS config file that holds the profile; empty for the user's own.
    type: path
    default: ""
requirements:
  - kiln, from this checkout
  - boto3
  - python >= 3.11
author:
  - Kiln contributors (@kiln-contributors)
"""

    CONTROL_HOST = r"""
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: N/A
    description: It changes nothing.
requirements:
  - kiln, from this checkout
  - python >= 3.11
author:
  - Kiln contributors (@kiln-contributors)
"""

    LEDGER = r"""
options:
  state_uri:
    description: S3 prefix of the ledger, C(s3://bucket/prefix).
    type: str
    required: true
"""

    SSH = r"""
options:
  ssh:
    description:
      - How the master of an existing cluster is reached. When steps end before their time there, their YARN
        applications are killed over it.
      - Without it they are left; in cluster mode they outlive the process of their step.
    type: dict
    suboptions:
      user:
        description: User of the nodes.
        type: str
        required: true
      private_key_file:
        description: File with the private key; empty for what the SSH agent holds.
        type: str
        default: ""
      proxy_command:
        description: ssh's ProxyCommand; empty for none.
        type: str
        default: ""
"""

    WAITING = r"""
options:
  poll_interval_seconds:
    description: Seconds between two calls that ask AWS for the state, at first; it is adapted.
    type: float
    default: 15.0
"""
