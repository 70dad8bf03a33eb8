from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from node_world import NodeWorld

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeWorld:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return NodeWorld(tmp_path)
