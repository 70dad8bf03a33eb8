"""The Python environment: one node builds it, the others fetch it, and no other archive is unpacked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from node_world import CURL, OUTPUT, connection

from kiln.errors import PreflightError
from kiln.nodes.environment_source import EnvironmentSource

if TYPE_CHECKING:
    from pathlib import Path

    from node_world import NodeWorld

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# A bucket is a folder. `aws s3 cp --no-progress FROM TO`.
AWS = """#!/bin/sh
from=$(echo "$4" | sed 's|^s3://|{root}/s3/|') to=$(echo "$5" | sed 's|^s3://|{root}/s3/|')
mkdir -p "$(dirname "$to")" && cp "$from" "$to"
"""
# `uv pip install … --python PYTHON …`
UV = """#!/bin/sh
[ "$2" = check ] && exit 0
{before}
while [ "$1" != --python ]; do shift; done
"$2" -c 'import sysconfig; open(sysconfig.get_path("purelib") + "/model.py", "w").write("x = 1\\n")'
"""


class Archives:
    """What the control host knows: digests in memory, archives in a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.digest = root, ""
        self.built = 0

    def find(self) -> str:
        return self.digest

    def keep(self, digest: str) -> None:
        self.digest = digest
        self.built += 1

    def address(self, digest: str) -> str:
        return f"s3://bucket/envs/1-{digest}.tar.zst"

    def wheels(self) -> Path:
        return self.root / "wheels.tar"


@pytest.fixture
def archives(node: NodeWorld) -> Archives:
    node.program("aws", AWS.format(root=node.root))
    make_wheels(node)
    return Archives(node.root)


def make_wheels(node: NodeWorld, before: str = "") -> None:
    folder = node.root / "packed"
    folder.mkdir(exist_ok=True)
    (folder / "requirements.txt").write_text("model==1\n")
    (folder / "uv").write_text(UV.format(before=before))
    (folder / "uv").chmod(0o755)
    with tarfile.open(node.root / "wheels.tar", "w") as opened:
        opened.add(folder, ".")


def item(node: NodeWorld) -> dict[str, Any]:
    path = str(node.root / "envs/1")
    sent = {"path": path, "python_version": VERSION, "archives": "s3://bucket/envs/1"}
    return {"kind": "environment", **sent}


def model(node: NodeWorld) -> Path:
    return node.root / f"envs/1/lib/python{VERSION}/site-packages/model.py"


def take_away(node: NodeWorld) -> None:
    (node.root / "envs/1").rename(node.root / f"gone-{len(list(node.root.iterdir()))}")


def test_it_is_built_once_and_then_fetched(node: NodeWorld, archives: Archives) -> None:
    (built,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert (built.state, built.problem) == ("changed", "")
    compiled = list(model(node).parent.glob("__pycache__/model.*.pyc"))
    assert compiled
    take_away(node)
    (fetched,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert (fetched.state, fetched.problem) == ("changed", "")
    assert model(node).read_text() == "x = 1\n"
    (again,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert again.state == "ok"
    assert archives.built == 1
    assert sorted(path.name for path in (node.root / "envs").iterdir()) == ["1"]


def test_only_the_owner_can_write_to_an_environment(node: NodeWorld, archives: Archives) -> None:
    """uv's lock can be written by everybody, and a wheel may hold such a file."""
    make_wheels(node, before=f"touch {node.root}/envs/1/.lock && chmod 777 {node.root}/envs/1/.lock")
    node.apply(item(node), source=EnvironmentSource(archives))
    built = (node.root / "envs/1/.lock").stat().st_mode & 0o777
    take_away(node)
    node.apply(item(node), source=EnvironmentSource(archives))
    assert (built, (node.root / "envs/1/.lock").stat().st_mode & 0o777) == (0o755, 0o755)


def test_an_older_archive_with_a_file_for_all_is_unpacked_for_the_owner(
    node: NodeWorld, archives: Archives
) -> None:
    folder = node.root / "older/1"
    folder.mkdir(parents=True)
    (folder / ".kiln-complete").touch()
    (folder / ".kiln-complete").chmod(0o666)
    archive = node.root / "s3/bucket/envs/packed"
    archive.parent.mkdir(parents=True)
    subprocess.run(["tar", "--zstd", "-c", "-C", folder.parent, "-f", archive, "1"], check=True)
    archives.digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    archive.rename(archive.with_name(f"1-{archives.digest}.tar.zst"))
    (fetched,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert (fetched.state, fetched.problem) == ("changed", "")
    assert (node.root / "envs/1/.kiln-complete").stat().st_mode & 0o777 == 0o644


def test_an_archive_that_somebody_has_swapped_is_not_unpacked(node: NodeWorld, archives: Archives) -> None:
    """Neither operators nor nodes may delete it (iam/), so the message says who can."""
    node.apply(item(node), source=EnvironmentSource(archives))
    take_away(node)
    address = archives.address(archives.digest)
    (node.root / "s3" / address.removeprefix("s3://")).write_text("somebody else's")
    (refused,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert "is not the archive that was built: its SHA-256 differs" in refused.problem
    assert f"an administrator of the account removes it (aws s3 rm {address})" in refused.problem
    assert list((node.root / "envs").iterdir()) == []


def test_check_mode_asks_for_nothing(node: NodeWorld, archives: Archives) -> None:
    (checked,) = node.apply(item(node), check=True, source=EnvironmentSource(archives))
    assert checked.state == "changed"
    assert not (node.root / "envs").exists()
    assert archives.built == 0


def test_a_wheel_that_is_refused_leaves_no_finished_environment(node: NodeWorld, archives: Archives) -> None:
    make_wheels(node, before="echo 'error: Hash mismatch for `model==1`' >&2; exit 1")
    (refused,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert "environment: uv pip install: error: Hash mismatch for `model==1`" in refused.problem
    assert not (node.root / "envs/1/.kiln-complete").exists()
    make_wheels(node)
    (built,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert built.state == "changed"


def test_nodes_that_wait_learn_that_the_build_has_failed(node: NodeWorld, archives: Archives) -> None:
    """Only one of them builds: what fails on one of several equal nodes fails on all."""
    make_wheels(node, before="echo broken >&2; exit 1")
    nodes = (connection("a"), connection("b"))
    ended = node.apply(item(node), nodes=nodes, source=EnvironmentSource(archives))
    problems = sorted(one.problem for one in ended)
    assert any("uv pip install: broken" in problem for problem in problems)
    assert all(one.state == "failed" for one in ended)


def test_an_archive_whose_transfer_is_cut_off_is_fetched_again(node: NodeWorld, archives: Archives) -> None:
    node.apply(item(node), source=EnvironmentSource(archives))
    take_away(node)
    node.program("curl", CURL.format(s3=f'echo part >"{OUTPUT}"; exit 18'))
    (fetched,) = node.apply(item(node), source=EnvironmentSource(archives))
    assert (fetched.state, fetched.problem) == ("changed", "")
    assert model(node).exists()


def test_a_builder_that_fails_at_something_else_leaves_the_build_to_another_node(
    node: NodeWorld, archives: Archives
) -> None:
    """The first node is told to build, and fails before its turn comes."""
    node.program("rpm", "#!/bin/sh\nexit 1\n")
    node.program("dnf", f"#!/bin/sh\nmkdir {node.root}/failed || exit 0\nexit 1\n")
    packages = {"kind": "packages", "names": ["jq"], "lock_timeout_seconds": 0}
    ended = node.apply(
        packages, item(node), nodes=(connection("a"), connection("b")), source=EnvironmentSource(archives)
    )
    assert sorted(one.state for one in ended) == ["changed", "failed"], ended
    assert model(node).exists()


def test_what_the_control_host_cannot_read_fails_every_node_that_asks(
    node: NodeWorld, archives: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise PreflightError("S3 refuses")

    monkeypatch.setattr(archives, "find", refuse)
    source = EnvironmentSource(archives)
    (failed,) = node.apply(item(node), source=source)
    assert failed.problem == "environment: S3 refuses"
    assert isinstance(source.error, PreflightError)
