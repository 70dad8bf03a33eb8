"""A release of the model repo: shipped as one archive, unpacked beside its place, switched to by a rename."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kiln.nodes.on_node import unpacked
from kiln.nodes.on_node.items import OK, Item, ItemError, Outcome, digest_of, fetch_from_s3, make_folder, run

if TYPE_CHECKING:
    from kiln.nodes.on_node.channel import Source

# The last file of every archive, which git writes after all others; it holds the commit.
LAST = ".kiln-release"


def apply(item: Item, channel: Source, *, check: bool) -> Outcome:
    """Ship the commit, switch `current` to it, remove old releases. Raises ItemError, OSError, LostError."""
    root, commit = Path(item["root"]), str(item["commit"])
    release = root / "releases" / commit
    is_there, before = _holds(release, commit), _current(root)
    target = f"releases/{commit}"
    if is_there and before == target:
        return OK
    diff = ("" if is_there else f"+ {release}\n") + _difference(before, target)
    if not check:
        make_folder(release.parent)
        for folder in (root, release.parent):
            unpacked.remove_leftovers(folder)
        with unpacked.beside(root) as aside:
            if not is_there:
                _ship(item, channel, release, aside)
            _activate(root, target, aside)
        if not is_there:
            _prune(release, root / before if before else None, item["kept"])
    return Outcome(changed=True, diff=diff)


def _holds(release: Path, commit: str) -> bool:
    try:
        return (release / LAST).read_text() == commit
    except (OSError, UnicodeDecodeError):
        return False


def _current(root: Path) -> str:
    try:
        return os.readlink(root / "current")  # noqa: PTH115  # as it is written
    except OSError:
        return ""


def _difference(before: str, after: str) -> str:
    removed = f"- current -> {before}\n" if before else ""
    return "" if before == after else f"{removed}+ current -> {after}\n"


def _ship(item: Item, channel: Source, release: Path, aside: Path) -> None:
    archive = aside / "archive.tar"
    if item.get("archive"):
        fetch_from_s3(item["archive"], archive)
    else:
        with archive.open("wb") as sink:
            channel.fetch("release", sink)
    if digest_of(archive) != item["sha256"]:
        raise ItemError("the archive's SHA-256 is not that of the archive on the control host")
    with unpacked.beside(release.parent) as folder:
        filled = folder / "release"
        filled.mkdir()
        filled.chmod(0o755)  # jobs of every user read it
        run(["tar", "-x", "--no-same-owner", "-p", "-C", str(filled), "-f", str(archive)])
        unpacked.put(filled, release, folder)


def _activate(root: Path, target: str, aside: Path) -> None:
    current = root / "current"
    if current.is_dir() and not current.is_symlink():
        raise ItemError(f"{current} is a folder, not a link: remove it")
    unpacked.link(target, current, aside)


def _prune(release: Path, previous: Path | None, kept: int) -> None:
    """Remove all but the newest releases and the previous one, which a rollback goes back to.

    By ctime, when one was unpacked: its mtime is the commit's.
    """
    others = [one for one in release.parent.iterdir() if one.is_dir() and one not in {release, previous}]
    others.sort(key=lambda one: one.lstat().st_ctime_ns, reverse=True)
    with unpacked.beside(release.parent) as aside:
        has_previous = previous is not None and previous.is_dir()
        for number, old in enumerate(others[max(0, kept - 1 - has_previous) :]):
            old.rename(aside / str(number))
