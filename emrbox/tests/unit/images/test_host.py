from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emrbox.errors import BoxError
from emrbox.images import host

if TYPE_CHECKING:
    from pathlib import Path


def test_missing_packages_are_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "packages.txt"
    listing.write_text("bash  is everywhere\nno-such-package-1  a reason\nno-such-package-2\n")
    monkeypatch.setattr(host, "_PACKAGES", listing)
    with pytest.raises(BoxError, match="no-such-package-1 no-such-package-2"):
        host.check(tmp_path)


def test_too_little_space_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = tmp_path / "packages.txt"
    listing.write_text("bash  is everywhere\n")
    monkeypatch.setattr(host, "_PACKAGES", listing)
    monkeypatch.setattr(host, "_NEEDED_GB", 10**6)
    with pytest.raises(BoxError, match="XDG_CACHE_HOME"):
        host.check(tmp_path / "not/yet/there")
    assert not (tmp_path / "not").exists()
