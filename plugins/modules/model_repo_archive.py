#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: resolve a branch of a model repo and pack its commit, on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_repo_archive
short_description: Resolve a branch of a git remote and pack its commit into the cache
version_added: "0.1.0"
description:
  - Asks the remote which commit the branch is at. With O(cache_dir) it also fetches that commit once and
    packs its files into an archive.
  - What it writes is a cache of the control host, so it never reports a change and works in check mode too.
options:
  url:
    description: >-
      Git remote. An absolute path, C(user@host:path), or an address with https, http, ssh or file; never
      with a password.
    type: str
    required: true
  branch:
    description: The branch's whole name, without C(refs/heads/). Patterns are refused.
    type: str
    required: true
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
- name: Pack the branch's commit
  model_repo_archive:
    url: https://git.example.com/team/model_repo.git
    branch: main
    name: model_repo
    cache_dir: ~/.cache/kiln/models
  register: packed
"""

RETURN = r"""
commit:
  description: Id of the commit that the branch is at.
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

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from kiln.ansible_modules.report import report
from kiln.model_repo import git_archive, git_remote


def work(options: dict[str, Any]) -> dict[str, Any]:
    """Resolve the branch; pack its commit when a cache is named."""
    git_archive.check_name(options["name"])
    commit = git_remote.resolve(options["url"], options["branch"], options["timeout_seconds"])
    result = {"changed": False, "commit": commit}
    if options["cache_dir"] is None:
        return result
    packed, digest = git_archive.archive(options["url"], commit, options["name"], Path(options["cache_dir"]))
    return result | {"archive": str(packed), "sha256": digest}


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "branch": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "cache_dir": {"type": "path"},
            "timeout_seconds": {"type": "int", "default": git_remote.TIMEOUT_SECONDS},
        },
        supports_check_mode=True,
    )
    report(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
