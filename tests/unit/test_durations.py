from __future__ import annotations

import re

import pytest
from hostile import many, texts
from hypothesis import given

from kiln import durations


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("0", 0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert durations.seconds_of(text) == seconds


@many
@given(texts("30m", "2h", "1.5h", "-1", "²", "1h30m"))
def test_everything_else_is_refused(text: str) -> None:
    if re.fullmatch("[0-9]{1,9}[smhd]?", text):
        assert durations.seconds_of(text) >= 0
    else:
        with pytest.raises(ValueError, match=r"(?s).*"):
            durations.seconds_of(text)
