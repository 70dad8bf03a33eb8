from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kiln.ledger import schema

PAGE = Path(__file__).resolve().parents[3] / "docs/ledger.md"
STRUCTS = (
    schema.Run,
    schema.Driver,
    schema.Attempt,
    schema.StepEntry,
    schema.StepIdentity,
    schema.Phase,
    schema.Event,
)


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_field_of_the_schema_is_documented(struct: type[msgspec.Struct]) -> None:
    page = PAGE.read_text()
    assert [one.name for one in msgspec.structs.fields(struct) if f"`{one.name}`" not in page] == []


def test_the_page_has_the_numbers_of_the_schema() -> None:
    page = PAGE.read_text()
    assert f"`version` is {schema.VERSION}." in page
    assert f"every {schema.HEARTBEAT_SECONDS:.0f} s" in page
    assert f"older than {schema.DEAD_SECONDS:.0f} s" in page
