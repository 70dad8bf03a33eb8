"""This machine as a node: the program of `kiln.nodes.on_node` run in folders of a test, without root."""

from __future__ import annotations

import asyncio
import getpass
import io
import sys
import tarfile
from typing import TYPE_CHECKING, Any

from kiln.nodes import fan_out
from kiln.nodes.connections import Connection
from kiln.nodes.work import Limits, Work

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.nodes.environment_source import EnvironmentSource
    from kiln.nodes.results import ItemResult, NodeResult

USER = getpass.getuser()
# In the place of curl: the service of an instance with a role, and S3, which does `{s3}` with `$config`.
CURL = """#!/bin/sh
config=$(cat)
case $config in
*/api/token*) printf 'metadata-token ' ;;
*/security-credentials/the-role*) echo '{{"AccessKeyId":"AKIA1","SecretAccessKey":"s/1+","Token":"t=="}}' ;;
*/placement/region*) printf 'eu-west-1 amazonaws.com the-role ' ;;
*) {s3} && printf 200 ;;
esac
"""
# The file that curl is to write or to read, for the shell.
OUTPUT, UPLOAD = (
    f"$(printf '%s' \"$config\" | sed -n 's/^{name} = \"\\(.*\\)\"$/\\1/p')"
    for name in ("output", "upload-file")
)


def connection(name: str = "node-1", **changes: Any) -> Connection:
    settings: dict[str, Any] = {"kind": "local", "interpreter": sys.executable, "as_root": False}
    return Connection(name=name, **(settings | changes))


class NodeWorld:
    """Items for a node whose folders lie below `root`, and what it answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs: dict[str, bytes | Path] = {}
        self.limits = Limits(connect_seconds=0, retry_seconds=0)

    def apply(
        self,
        *items: dict[str, Any],
        check: bool = False,
        nodes: tuple[Connection, ...] = (),
        source: EnvironmentSource | None = None,
    ) -> list[NodeResult]:
        work = Work(
            labels=tuple(item["kind"] for item in items),
            definition={"check": check, "folder": str(self.root / "kiln"), "items": items},
            blobs=self.blobs,
            limits=self.limits,
            environment=source,
        )
        return asyncio.run(fan_out.apply(nodes or (connection(),), work))

    def one(self, item: dict[str, Any], *, check: bool = False) -> ItemResult:
        """Apply one item on one node, and return its result."""
        (node,) = self.apply(item, check=check)
        assert len(node.items) == 1, node
        return node.items[0]

    def program(self, name: str, text: str) -> Path:
        """Put a program into the folder that a test has in PATH."""
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path


def archive(commit: str) -> bytes:
    """Return an archive as git packs a commit: the commit's file comes last."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as opened:
        for name, text in (("jobs/sd.py", "print()\n"), (".kiln-release", commit)):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o644
            opened.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
