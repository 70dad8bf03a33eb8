"""A node's file tree in a folder, with real processes that run here, for what EMR does on nodes."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from emrbox.emr.life.model import ON_DEMAND, Group, Instance, Status, TypeConfig
from emrbox.emr.life.states import GroupState, InstanceState
from emrbox.emr.machines.node_access import Member
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")
NOW = datetime(2026, 11, 1, tzinfo=UTC)


class FolderNode:
    """A node's file tree in a folder; its processes run here."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = Tree(root)
        (root / "etc").mkdir(parents=True, exist_ok=True)
        users = (f"{name}:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n" for name in ("root", "hadoop"))
        (root / "etc/passwd").write_text("".join(users))

    def popen(self, argv: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        cwd = self.root / str(streams.pop("cwd", "/")).lstrip("/")
        streams.pop("user", None)
        streams.pop("env", None)
        return subprocess.Popen(argv, cwd=cwd, start_new_session=True, **streams)

    def inside(self, work: Callable[[], T], which: int) -> T:
        raise NotImplementedError

    def go_on(self) -> None:
        """Nothing is held here."""

    def run(self, argv: Sequence[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(argv, capture_output=True, check=False)


def member(root: Path, role: str = "MASTER") -> Member:
    one = TypeConfig("m5.xlarge")
    group = Group("ig-1", role, role, [one], {ON_DEMAND: 1}, Status(GroupState.RUNNING, NOW))
    status = Status(InstanceState.RUNNING, NOW)
    instance = Instance("ci-1", f"i-{role.lower()}", "10.0.0.1", "ip.internal", one, ON_DEMAND, status)
    return Member(group, instance, FolderNode(root))
