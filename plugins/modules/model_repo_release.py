#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: unpack an archive of a model repo on a node, whole or not at all.

Runs with the node's own Python (3.9 on Amazon Linux 2023): standard library only, nothing of kiln.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_repo_release
short_description: Unpack an archive beside its place, verify it, and move it there
version_added: "0.1.0"
description:
  - Checks the archive against its SHA-256 before anything is unpacked, unpacks it beside O(dest) on the same file system, compares what lies there with
    the archive, and renames it. So O(dest) is there whole or not at all, also when the disk is full or the unpacking is killed.
  - Removes O(src) in any case, and what an earlier, killed unpacking left beside O(dest).
options:
  src:
    description: The archive (tar) on the node.
    type: path
    required: true
  sha256:
    description: SHA-256 of the archive in hex, as the control host computed it.
    type: str
    required: true
  dest:
    description: The folder to make. Its parent must exist. A folder that is there is replaced.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Reports a change and does nothing.
  diff_mode:
    support: none
author:
  - Kiln contributors
"""

EXAMPLES = r"""
- name: Unpack the release
  model_repo_release:
    src: /opt/kiln/models/model_repo/.incoming.tar
    sha256: "{{ packed.sha256 }}"
    dest: /opt/kiln/models/model_repo/releases/{{ packed.commit }}
"""

RETURN = r"""
dest:
  description: The folder.
  returned: success
  type: str
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

_CHUNK_BYTES = 1024 * 1024


class UnpackError(Exception):
    """The archive is not what was sent, or cannot be unpacked; the message says why."""


def digest_of(path: str) -> str:
    """Return a file's SHA-256 in hex. hashlib.file_digest needs Python 3.11."""
    found = hashlib.sha256()
    with open(path, "rb") as stream:  # noqa: PTH123  # as Ansible's own modules do
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def differing(archive: str, folder: str) -> str | None:
    """Return the first member of an archive that does not lie in the folder as it should, or None."""
    with tarfile.open(archive) as opened:
        for member in opened:
            path = os.path.join(folder, member.name)
            if member.issym():
                same = os.path.islink(path) and os.readlink(path) == member.linkname
            elif member.isreg():
                same = os.path.isfile(path) and os.lstat(path).st_size == member.size
            else:
                same = os.path.lexists(path)
            if not same:
                return member.name
    return None


def unpack(module: Any, archive: str, incoming: str) -> None:
    """Unpack into an empty folder and compare. Raises UnpackError."""
    os.chmod(incoming, 0o755)  # noqa: S103  # jobs of every user read it
    command = ["tar", "-x", "--no-same-owner", "-p", "-C", incoming, "-f", archive]
    code, _, errors = module.run_command(command)
    if code != 0:
        raise UnpackError("it cannot be unpacked: " + (errors.strip().splitlines() or ["tar failed"])[0])
    try:
        missing = differing(archive, incoming)
    except tarfile.TarError as error:
        raise UnpackError("it is no tar archive") from error
    if missing is not None:
        raise UnpackError("%s is not there as a whole after unpacking" % missing)


def put(incoming: str, dest: str) -> None:
    """Give the unpacked folder its name. An old one is moved aside first: a folder cannot replace one."""
    old = tempfile.mkdtemp(prefix=".incoming-", dir=os.path.dirname(dest))
    if os.path.lexists(dest):
        os.rename(dest, os.path.join(old, "old"))
    os.rename(incoming, dest)
    shutil.rmtree(old, ignore_errors=True)


def replace(module: Any, archive: str, sha256: str, dest: str) -> None:
    """Do the work under a lock on the parent folder. Raises UnpackError, OSError."""
    parent = os.path.dirname(dest)
    lock = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in os.listdir(parent):
            if name.startswith(".incoming-"):
                shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
        if digest_of(archive) != sha256:
            raise UnpackError("its SHA-256 is not that of the archive on the control host")
        incoming = tempfile.mkdtemp(prefix=".incoming-", dir=parent)
        try:
            unpack(module, archive, incoming)
            put(incoming, dest)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    finally:
        os.close(lock)


def main() -> None:
    """Unpack, or say why not."""
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "sha256": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    options = module.params
    if module.check_mode:
        module.exit_json(changed=True, dest=options["dest"])
    try:
        replace(module, options["src"], options["sha256"], options["dest"])
    except (UnpackError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        module.fail_json(msg="the archive of %s is not unpacked: %s" % (options["dest"], reason))
    finally:
        with contextlib.suppress(OSError):
            os.unlink(options["src"])
    module.exit_json(changed=True, dest=options["dest"])


if __name__ == "__main__":
    main()
