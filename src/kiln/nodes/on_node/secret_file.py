"""The file of a pipeline's secrets, for one user only. What it holds is in no result."""

from __future__ import annotations

import io
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from kiln.nodes.on_node import placed
from kiln.nodes.on_node.items import OK, ItemError, Outcome
from kiln.nodes.on_node.placed import Ids, Placed

if TYPE_CHECKING:
    from kiln.nodes.on_node.channel import Source
    from kiln.nodes.on_node.items import Item

_FOLDER_MODE = 0o700


def apply(item: Item, channel: Source, *, check: bool) -> Outcome:
    """Write the file unless it is right. Raises ItemError, OSError, LostError."""
    path = Path(item["path"])
    try:
        found = pwd.getpwnam(item["owner"])
    except KeyError as error:
        raise ItemError(f"there is no user {item['owner']} on the node") from error
    owner = Ids(found.pw_uid, found.pw_gid)
    content = io.BytesIO()
    channel.fetch(item["blob"], content)
    wanted = Placed(content.getvalue(), owner, int(item["mode"]))
    folder = placed.open_folder(path.parent, None if check else (owner, _FOLDER_MODE))
    if folder is None:
        return Outcome(changed=True, diff=f"+ {path}\n")
    try:
        is_there = placed.read(path.name, folder, len(wanted.content) + 1) == wanted
        if is_there and _is_private(folder, owner):
            return OK
        if not check:
            os.fchown(folder, *owner)
            os.fchmod(folder, _FOLDER_MODE)
            placed.write(path.name, folder, wanted)
    finally:
        os.close(folder)
    return Outcome(changed=True, diff=f"~ {path}\n")


def _is_private(folder: int, owner: Ids) -> bool:
    found = os.fstat(folder)
    return ((found.st_uid, found.st_gid), stat.S_IMODE(found.st_mode)) == (owner, _FOLDER_MODE)
