#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Documentation only: the action plugin of the same name finds and packs the commit on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_repo_archive
short_description: Find a commit of a git remote and pack it into the cache
version_added: "0.1.0"
description:
  - Asks the remote which commit the branch, the tag or the commit id is. With O(cache_dir) it also fetches
    that commit once and packs its files into an archive. A commit with submodules or files of Git LFS is
    refused.
  - What it writes is a cache of the control host, so it never reports a change and works in check mode too.
options:
  url:
    description: >-
      Git remote. C(user@host:path), an address with one of O(protocols), or an absolute path where they hold
      C(file); never with a password.
    type: str
    required: true
  branch:
    description: The branch's whole name, without C(refs/heads/). Patterns are refused.
    type: str
    required: true
  version:
    description: >-
      A branch, a tag, C(refs/heads/NAME), C(refs/tags/NAME), or a commit by at least 7 digits of its id, in
      place of O(branch).
    type: str
    default: ""
  protocols:
    description: How the remote may be reached.
    type: list
    elements: str
    choices: [https, http, ssh, file]
    default: [https, ssh]
  host_keys:
    description: Lines of a known_hosts file with the keys of the remote's SSH server; required for SSH.
    type: list
    elements: str
    default: []
  deploy_key:
    description: >-
      Name of the variable in O(vault_file) with the private SSH key; without it ssh takes the keys of the
      user's agent and home. The key itself is never an argument.
    type: str
    default: ""
  vault_file:
    description: The encrypted file. Needed with O(deploy_key).
    type: path
  shown_as:
    description: The name of O(vault_file) in messages.
    type: str
  name:
    description: Name of the model repo; part of paths here and on the nodes.
    type: str
    required: true
  cache_dir:
    description: Folder of git objects and archives. Without it nothing is fetched.
    type: path
  timeout_seconds:
    description: How long the remote may take to answer.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: It works as it does otherwise, so that check mode can compare with the archive.
  diff_mode:
    support: N/A
    description: It changes no cluster.
requirements:
  - kiln, from this checkout
  - git
  - python >= 3.11
author:
  - Kiln contributors (@kiln-contributors)
"""

EXAMPLES = r"""
- name: Pack the tag's commit
  model_repo_archive:
    url: https://git.example.com/team/model_repo.git
    branch: main
    version: v1.4
    name: model_repo
    cache_dir: ~/.cache/kiln/models
  register: packed
"""

RETURN = r"""
commit:
  description: Id of the commit.
  returned: success
  type: str
archive:
  description: The archive on the control host.
  returned: when O(cache_dir) is given
  type: str
sha256:
  description: SHA-256 of the archive, in hex.
  returned: when O(cache_dir) is given
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
