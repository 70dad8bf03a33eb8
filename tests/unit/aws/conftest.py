"""Clients of AWS whose answers the tests give by botocore's Stubber."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kiln.aws.boto import Boto

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def boto(tmp_path: Path) -> Boto:
    file = tmp_path / "config"
    file.write_text("[profile test]\naws_access_key_id = x\naws_secret_access_key = y\n")
    return Boto(region="us-east-1", profile="test", config_file=file)
