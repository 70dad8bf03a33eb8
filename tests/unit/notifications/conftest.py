"""Certificates for the sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from message_sinks import certificate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"), "127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def of_another_host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"), "smtp.example.com")
