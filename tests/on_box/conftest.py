"""A box of these tests' own with one account, whose hollow clusters' clock the tests move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from box_world import BoxWorld, make_place

from emrbox.box import lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from box_world import Place

    from emrbox.pytest_plugin import Box


@pytest.fixture(scope="session")
def emrbox_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("box")
    yield home
    lifecycle.down(home)


@pytest.fixture(scope="session")
def place(emrbox: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    emrbox.post("clock", frozen=True)
    made = make_place(emrbox, tmp_path_factory.mktemp("aws") / "config")
    yield made
    made.account.close()


@pytest.fixture
def world(place: Place) -> Iterator[BoxWorld]:
    """Return a run of its own; its faults are removed afterwards, and steps succeed at once again."""
    yield BoxWorld(place)
    place.account.box.post("faults", clear=True)
    place.account.script_step()
