"""The program as the bootstrap action runs it on a node that joined: content from S3, secrets awaited."""

from __future__ import annotations

import base64
import grp
import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from node_world import USER, archive

from kiln.nodes import program
from kiln.nodes.on_node import joined

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from node_world import NodeWorld

COMMIT = f"{1:040x}"
# Copies from below a folder: `s3://bucket/…`, as `aws s3 cp` does.
AWS = """\
#!/bin/sh
for word; do case $word in s3://*) from=$word ;; --*) ;; *) to=$word ;; esac; done
exec cp -r "{store}/${{from#s3://}}" "$to"
"""


def store(node: NodeWorld) -> Path:
    folder = node.root / "s3"
    node.program("aws", AWS.format(store=folder))
    return folder


def put(node: NodeWorld, label: str, document: dict[str, Any]) -> Path:
    folder = node.root / "items"
    folder.mkdir(exist_ok=True)
    (folder / f"{label}.json").write_text(json.dumps(document))
    return folder


def release_item(node: NodeWorld, **changes: Any) -> dict[str, Any]:
    (store(node) / "state").mkdir(parents=True)
    (store(node) / "state/release.tar").write_bytes(archive(COMMIT))
    item = {"kind": "release", "root": str(node.root / "models"), "commit": COMMIT, "kept": 3}
    digest = hashlib.sha256(archive(COMMIT)).hexdigest()
    return item | {"archive": "s3://state/release.tar", "sha256": digest} | changes


def test_a_release_is_fetched_from_s3_and_activated(
    node: NodeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    joined.join(put(node, "release", release_item(node)), node.root / "kiln")
    assert (node.root / "models/current/jobs/sd.py").read_text() == "print()\n"
    assert capsys.readouterr().out.startswith("release changed ")


def test_files_are_written_from_the_document_itself(
    node: NodeWorld, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, content = node.root / "etc/team.conf", bytes(range(256))
    digest = hashlib.sha256(content).hexdigest()
    group = grp.getgrgid(os.getegid()).gr_name
    row = {"path": str(path), "owner": USER, "group": group, "mode": 0o600, "size": 256, "sha256": digest}
    item = {"kind": "files", "files": [row], "contents": {digest: base64.b64encode(content).decode()}}
    folder = put(node, "files", item)
    joined.join(folder, tmp_path / "kiln")
    assert path.read_bytes() == content
    path.unlink()
    put(node, "files", item | {"contents": {digest: base64.b64encode(b"other").decode()}})
    joined.join(folder, tmp_path / "kiln")
    assert not path.exists()
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in said] == [["files", "changed"], ["files", "failed"]]
    assert "has another SHA-256" in said[1]


def test_another_archive_is_refused(node: NodeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    joined.join(put(node, "release", release_item(node, sha256="0" * 64)), node.root / "kiln")
    assert not (node.root / "models/current").exists()
    assert "release failed the archive's SHA-256" in capsys.readouterr().out


def test_hadoop_waits_for_the_secrets_but_not_for_ever(
    node: NodeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    path = node.root / "secrets.json"
    folder = put(node, "secrets", {"path": str(path), "wait_seconds": 0.0})
    joined.join(folder, node.root / "kiln")
    assert capsys.readouterr().out == "secrets not brought within 0 s\n"
    path.touch()
    joined.join(folder, node.root / "kiln")
    assert capsys.readouterr().out == "secrets there\n"


def test_after_a_failure_nothing_is_waited_for(node: NodeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    put(node, "release", release_item(node, sha256="0" * 64))
    joined.join(put(node, "secrets", {"path": "/nowhere", "wait_seconds": 1e6}), node.root / "kiln")
    assert "secrets" not in capsys.readouterr().out


def test_an_environment_that_nobody_has_packed_is_left_to_the_control_host(
    node: NodeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(node.root / "envs/0123456789abcdef")
    item = {"kind": "environment", "path": path, "python_version": "3.11", "archives": "s3://state/envs/0"}
    joined.join(put(node, "environment", item), node.root / "kiln")
    assert "environment failed it has no archive in S3" in capsys.readouterr().out


def action(node: NodeWorld, digest: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script as EMR does, with `sudo` replaced by a program that keeps the user."""
    node.program("sudo", '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift\nexec "$@"\n')
    folder = store(node) / "state"
    (folder / "items").mkdir(parents=True, exist_ok=True)
    (folder / "program.json").write_bytes(program.joined_source())
    known = digest or hashlib.sha256(program.joined_source()).hexdigest()
    arguments = ["s3://state/program.json", known, "s3://state/items/."]
    return subprocess.run(
        [program.JOIN_SCRIPT, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


def test_the_first_nodes_of_a_cluster_have_nothing_to_fetch(node: NodeWorld) -> None:
    finished = action(node)
    assert finished.stdout == "nothing has been put on the nodes of this cluster yet\n"
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_changed_program_is_not_run_and_the_node_lives(node: NodeWorld) -> None:
    items = store(node) / "state/items"
    items.mkdir(parents=True)
    (items / "secrets.json").write_text('{"path": "/nowhere", "wait_seconds": 0}')
    finished = action(node, digest="0" * 64)
    assert finished.returncode == 0
    assert "this node has not got everything" in finished.stdout
    assert "secrets" not in finished.stdout


def test_s3_that_cannot_be_reached_ends_no_node(node: NodeWorld) -> None:
    action(node)
    node.program("aws", "#!/bin/sh\nexit 1\n")
    finished = subprocess.run(
        [program.JOIN_SCRIPT, "a", "b", "c"], check=False, capture_output=True, text=True, timeout=60
    )
    assert finished.returncode == 0
    assert "this node has not got everything" in finished.stdout
