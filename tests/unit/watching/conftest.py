"""A host whose processes wait for clusters, on a virtual clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from watch_host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    for one in made.contexts:
        one.__exit__(None, None, None)
