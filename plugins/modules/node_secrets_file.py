#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: write a file of secrets on a node, for one user only.

Runs with the node's own Python (3.9 on Amazon Linux 2023): standard library only, nothing of kiln.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_secrets_file
short_description: Write a file of secrets on a node, for one user only
version_added: "0.1.0"
description:
  - Called through the action of the same name, which reads the vault and gives the content; a task never
    has it as an argument.
  - The file is replaced by a rename, mode 0600. What is unfinished lies beside it, in the same folder, with
    the same owner and mode.
options:
  path:
    description: The file. Its folder must exist.
    type: path
    required: true
  content:
    description: What it holds.
    type: str
    required: true
  owner:
    description: The user that may read it; the group is that user's own.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Reports whether the file would change.
  diff_mode:
    support: none
    description: A difference would show secrets.
requirements:
  - python >= 3.9
author:
  - Kiln contributors (@kiln-contributors)
"""

EXAMPLES = r"""
- name: Write the file
  node_secrets_file:
    vault_file: vault/local.yml
    shown_as: vault/local.yml
    path: /home/hadoop/.kiln/secrets/model_building.json
    owner: hadoop
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
"""

import contextlib
import os
import pwd
import stat
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

_MODE = 0o600


def is_right(path: Path, content: bytes, owner: pwd.struct_passwd) -> bool:
    """Return whether the file is there with this content, for this user only."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        if (found.st_uid, found.st_gid, found.st_nlink) != (owner.pw_uid, owner.pw_gid, 1):
            return False
        return found.st_mode == stat.S_IFREG | _MODE and stream.read(len(content) + 1) == content


def write(path: Path, content: bytes, owner: pwd.struct_passwd) -> None:
    """Write the file beside its place and rename it. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        unfinished.unlink()
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchown(handle, owner.pw_uid, owner.pw_gid)
            os.fchmod(handle, _MODE)
            stream.write(content)
            stream.flush()
            os.fsync(handle)
        unfinished.rename(path)
    except OSError:
        unfinished.unlink()
        raise


def main() -> None:
    """Write the file if it is not there as it should be."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
            "owner": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    path, content = Path(module.params["path"]), module.params["content"].encode()
    try:
        owner = pwd.getpwnam(module.params["owner"])
    except KeyError:
        module.fail_json(msg=f"there is no user {module.params['owner']} on the node", path=str(path))
    if is_right(path, content, owner):
        module.exit_json(changed=False, path=str(path))
    if not module.check_mode:
        try:
            write(path, content, owner)
        except OSError as error:
            module.fail_json(msg=f"{path} cannot be written: {error.strerror}", path=str(path))
    module.exit_json(changed=True, path=str(path))


if __name__ == "__main__":
    main()
