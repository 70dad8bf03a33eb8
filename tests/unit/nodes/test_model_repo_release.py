"""The module that unpacks a release, run as Ansible runs it on a node."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

MODULE = Path(__file__).resolve().parents[3] / "plugins/modules/model_repo_release.py"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with one file, as the role gives it to the module, beside the folder of releases."""
    (tmp_path / "models/releases").mkdir(parents=True)
    (tmp_path / "job.py").write_text("print()\n")
    path = tmp_path / "models/.incoming-1.tar"
    with tarfile.open(path, "w") as opened:
        opened.add(tmp_path / "job.py", "job.py")
    return path


def release(archive: Path, sha256: str | None = None) -> dict[str, Any]:
    arguments = {
        "src": str(archive),
        "sha256": sha256 or hashlib.sha256(archive.read_bytes()).hexdigest(),
        "dest": str(archive.parent / "releases/1"),
    }
    done = subprocess.run(
        [sys.executable, MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        check=False,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_killed_transfers_and_unpackings_left_is_removed(archive: Path) -> None:
    models = archive.parent
    (models / ".incoming-2.tar").write_text("half")
    (models / "releases/.incoming-x/old").mkdir(parents=True)
    (models / "releases/.incoming-link").symlink_to(models)
    answer = release(archive)
    assert answer["changed"], answer
    assert names(models) == ["releases", "releases/1", "releases/1/job.py"]


def test_an_archive_with_another_digest_is_removed_and_not_unpacked(archive: Path) -> None:
    answer = release(archive, "0" * 64)
    assert "its SHA-256 is not that of the archive" in answer["msg"]
    assert names(archive.parent) == ["releases"]
