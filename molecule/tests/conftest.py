"""What the tests of all scenarios share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import scenario

if TYPE_CHECKING:
    from testinfra.host import Host


@pytest.fixture(scope="module")
def checked(host: Host) -> scenario.Checked:
    """A run of the scenario's playbook in check mode."""
    return scenario.check(host)
