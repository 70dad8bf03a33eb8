from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from node_world import NodeWorld

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def node(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> NodeWorld:
    # This machine may be an instance itself: no test asks for its role.
    no_curl = tmp_path_factory.mktemp("no_curl")
    (no_curl / "curl").write_text("#!/bin/sh\nexit 7\n")
    (no_curl / "curl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{no_curl}:{os.environ['PATH']}")
    return NodeWorld(tmp_path)
