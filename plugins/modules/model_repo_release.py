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
  - Checks the archive against its SHA-256 before anything is unpacked, unpacks it beside O(dest) on the
    same file system, compares what lies there with the archive, and renames it. So O(dest) is there whole
    or not at all, also when the disk is full or the unpacking is killed.
  - Removes O(src) in any case, and everything named C(.incoming-*) beside O(src) and O(dest), which is what
    an earlier, killed transfer or unpacking left there.
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
    description: A release is a whole folder of files.
requirements:
  - python >= 3.9
author:
  - Kiln contributors (@kiln-contributors)
"""

EXAMPLES = r"""
- name: Unpack the release
  model_repo_release:
    src: /opt/kiln/models/model_repo/.incoming-{{ packed.commit }}.tar
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
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

_CHUNK_BYTES = 1024 * 1024


class UnpackError(Exception):
    """The archive is not what was sent, or cannot be unpacked; the message has the reason."""


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hex. hashlib.file_digest needs Python 3.11."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def differing(archive: Path, folder: Path) -> str | None:
    """Return the first member of an archive that does not lie in the folder as it should, or None."""
    with tarfile.open(archive) as opened:
        for member in opened:
            path = folder / member.name
            if member.issym():
                same = path.is_symlink() and os.readlink(path) == member.linkname  # noqa: PTH115  # as it is written
            elif member.isreg():
                same = path.is_file() and path.lstat().st_size == member.size
            else:
                same = path.is_dir()
            if not same:
                return member.name
    return None


def remove_leftovers(archive: Path, dest: Path) -> None:
    """Remove what killed transfers and unpackings have left. To be called under the lock."""
    for folder in {archive.parent, dest.parent}:
        for left in set(folder.glob(".incoming-*")) - {archive}:
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    left.unlink()


def unpack(module: Any, archive: Path, incoming: Path) -> None:
    """Unpack into an empty folder and compare. Raises UnpackError."""
    incoming.chmod(0o755)  # jobs of every user read it
    command = ["tar", "-x", "--no-same-owner", "-p", "-C", str(incoming), "-f", str(archive)]
    code, _, errors = module.run_command(command)
    if code != 0:
        said = errors.strip().splitlines() or ["tar failed"]
        # The first line is a file that was cut off; why stands in the next.
        raise UnpackError("it cannot be unpacked: " + "; ".join(said[:3]))
    try:
        missing = differing(archive, incoming)
    except tarfile.TarError as error:
        raise UnpackError("it is no tar archive") from error
    if missing is not None:
        raise UnpackError(f"{missing} is not there as a whole after unpacking")


def put(incoming: Path, dest: Path) -> None:
    """Give the unpacked folder its name. An old one is moved aside first: a folder cannot replace one."""
    old = Path(tempfile.mkdtemp(prefix=".incoming-", dir=dest.parent))
    if dest.is_symlink() or dest.exists():
        dest.rename(old / "old")
    incoming.rename(dest)
    shutil.rmtree(old, ignore_errors=True)


def replace(module: Any, archive: Path, sha256: str, dest: Path) -> None:
    """Do the work under a lock on the parent folder. Raises UnpackError, OSError."""
    lock = os.open(dest.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_leftovers(archive, dest)
        if digest_of(archive) != sha256:
            raise UnpackError("its SHA-256 is not that of the archive on the control host")
        incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=dest.parent))
        try:
            unpack(module, archive, incoming)
            put(incoming, dest)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    finally:
        os.close(lock)


def main() -> None:
    """Unpack, or fail with the reason."""
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "sha256": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    archive, dest = Path(module.params["src"]), Path(module.params["dest"])
    if module.check_mode:
        module.exit_json(changed=True, dest=str(dest))
    try:
        replace(module, archive, module.params["sha256"], dest)
    except (UnpackError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        module.fail_json(msg=f"the archive of {dest} is not unpacked: {reason}")
    finally:
        with contextlib.suppress(OSError):
            archive.unlink()
    module.exit_json(changed=True, dest=str(dest))


if __name__ == "__main__":
    main()
