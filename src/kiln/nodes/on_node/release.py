"""A release of the model repo: shipped as one archive, unpacked beside its place, switched to by a rename."""

from __future__ import annotations

import os

from kiln.nodes.on_node import unpacked
from kiln.nodes.on_node.items import OK, ItemError, Outcome, digest_of, make_folder, run

TYPE_CHECKING = False  # typing takes a node 4 ms
if TYPE_CHECKING:
    from kiln.nodes.on_node.channel import Source
    from kiln.nodes.on_node.items import Item

# The last file of every archive, which git writes after all others; it holds the commit.
LAST = ".kiln-release"


def apply(item: Item, channel: Source, *, check: bool) -> Outcome:
    """Ship the commit, switch `current` to it, remove old releases. Raises ItemError, OSError, LostError."""
    root, commit = str(item["root"]), str(item["commit"])
    releases = f"{root}/releases"
    release = f"{releases}/{commit}"
    is_there, before = _holds(release, commit), _current(root)
    target = f"releases/{commit}"
    if is_there and before == target:
        return OK
    diff = ("" if is_there else f"+ {release}\n") + _difference(before, target)
    if not check:
        make_folder(releases)
        for folder in (root, releases):
            unpacked.remove_leftovers(folder)
        with unpacked.beside(root) as aside:
            if not is_there:
                _ship(item, channel, release, aside)
            _activate(root, target, aside)
        if not is_there:
            _prune(releases, {commit, os.path.basename(before)}, item["kept"])
    return Outcome(changed=True, diff=diff)


def _holds(release: str, commit: str) -> bool:
    try:
        with open(f"{release}/{LAST}", encoding="utf-8") as stream:
            return stream.read() == commit
    except (OSError, UnicodeDecodeError):
        return False


def _current(root: str) -> str:
    try:
        return os.readlink(f"{root}/current")
    except OSError:
        return ""


def _difference(before: str, after: str) -> str:
    removed = f"- current -> {before}\n" if before else ""
    return "" if before == after else f"{removed}+ current -> {after}\n"


def _ship(item: Item, channel: Source, release: str, aside: str) -> None:
    archive = f"{aside}/archive.tar"
    if item.get("archive"):
        from kiln.nodes.on_node import s3

        s3.get(item["archive"], archive)
    else:
        with open(archive, "wb") as sink:
            channel.fetch("release", sink)
    if digest_of(archive) != item["sha256"]:
        raise ItemError("the archive's SHA-256 is not that of the archive on the control host")
    with unpacked.beside(os.path.dirname(release)) as folder:
        filled = f"{folder}/release"
        os.mkdir(filled)
        os.chmod(filled, 0o755)  # noqa: S103  jobs of every user read it
        run(["tar", "-x", "--no-same-owner", "-p", "-C", filled, "-f", archive])
        unpacked.put(filled, release, folder)


def _activate(root: str, target: str, aside: str) -> None:
    current = f"{root}/current"
    if os.path.isdir(current) and not os.path.islink(current):
        raise ItemError(f"{current} is a folder, not a link: remove it")
    unpacked.link(target, current, aside)


def _prune(releases: str, used: set[str], kept: int) -> None:
    """Remove all but the newest releases and those in use: this one, and the one a rollback goes back to.

    By ctime, when one was unpacked: its mtime is the commit's.
    """
    found = [one for one in os.scandir(releases) if one.is_dir(follow_symlinks=False)]
    others = [one for one in found if one.name not in used]
    others.sort(key=lambda one: one.stat(follow_symlinks=False).st_ctime_ns, reverse=True)
    old = others[max(0, kept - (len(found) - len(others))) :]
    if not old:
        return
    with unpacked.beside(releases) as aside:
        for one in old:
            os.rename(one.path, f"{aside}/{one.name}")
