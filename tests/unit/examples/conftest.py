from datetime import date
from pathlib import Path

import pytest
from generate import generate

DAY = date(2026, 11, 20)


@pytest.fixture(scope="session")
def small_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated day that is small enough for unit tests; nothing may write into it."""
    out = tmp_path_factory.mktemp("telemetry")
    generate(messages=3000, seed=11, day=DAY, out=out)
    return out
