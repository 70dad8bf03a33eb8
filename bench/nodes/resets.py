"""What is removed before a phase, so that every contender finds the same nodes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from nodes import fleet
from nodes.site import environment
from nodes.tables import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nodes.site import Site

# With what they brought along, and what dnf knows of its repositories: a new node knows nothing.
_PACKAGES = (*PACKAGES, "libjq1", "libonig5")
# Moved, not removed: for up to six minutes ext4 gives no new file the inode of a removed one, and looks at
# each of them whenever a file is made (fs/ext4/ialloc.c, recently_deleted). Unpacking 48,000 files took 4 s,
# and 24 s after as many had been removed.
_ASIDE = 'mkdir -p /var/tmp/before; mv {folders} "$(mktemp -d -p /var/tmp/before)" 2>/dev/null; true'
_LINES = {
    "packages": f"rpm -e {' '.join(_PACKAGES)} 2>/dev/null; rm -rf /var/cache/dnf",
    "files": _ASIDE.format(folders="/opt/bench /opt/kiln/models"),
    "environments": _ASIDE.format(folders="/opt/bench /opt/kiln/envs"),
}


def reset(names: Iterable[str], nodes: fleet.Fleet, addresses: Sequence[str], site: Site) -> None:
    """Remove from the nodes what these resets name, and from the control host what belongs to it."""
    chosen = [_LINES[name] for name in names]
    if chosen:
        nodes.on_nodes(addresses, "; ".join(chosen))
    if "files" in names:
        shutil.rmtree(site.own_cache, ignore_errors=True)


def forget_archive(s3: Any) -> None:
    """Let Kiln find no archive of the Python environment."""
    for key in _keys(s3, "kiln/"):
        s3.delete_object(Bucket=fleet.BUCKET, Key=key)


def archive(s3: Any) -> str:
    """Return the S3 address of the archive that Kiln has made, or nothing."""
    keys = _keys(s3, f"kiln/envs/{environment().hash}-")
    return f"s3://{fleet.BUCKET}/{keys[0]}" if keys else ""


def _keys(s3: Any, prefix: str) -> list[str]:
    listed = s3.list_objects_v2(Bucket=fleet.BUCKET, Prefix=prefix)
    return [one["Key"] for one in listed.get("Contents", ())]
