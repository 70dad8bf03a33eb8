from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_copy import AnsibleCopy

if TYPE_CHECKING:
    from pathlib import Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that runs Ansible in a copy of the checkout: `make check` leaves it out."""
    for item in items:
        if "ansible_copy" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.processes)


@pytest.fixture
def ansible_copy(tmp_path: Path) -> AnsibleCopy:
    return AnsibleCopy(tmp_path / "checkout")
