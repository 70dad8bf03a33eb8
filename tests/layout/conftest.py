from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_copy import AnsibleCopy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ansible_copy(tmp_path: Path) -> AnsibleCopy:
    return AnsibleCopy(tmp_path / "checkout")
