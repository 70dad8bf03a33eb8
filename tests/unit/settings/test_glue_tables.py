"""Paths of tables: whatever stands there is a table with a partition, or refused in one line."""

from __future__ import annotations

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import UsageError, caught
from kiln.settings import glue_tables, typed
from kiln.settings.glue_tables import Table, folders

PARTS = st.lists(
    st.sampled_from(
        ["date=2026-11-20", "date=2026-11-21", "hour=05", "x", "=", "a=", "A=b", "é=1", "a=b=c", ""]
    ),
    max_size=5,
)


def test_the_parts_at_the_end_of_a_path_are_its_partition_in_their_order() -> None:
    assert folders("s3://b/t/date=2026-11-20/hour=05/") == ("s3://b/t/", {"date": "2026-11-20", "hour": "05"})
    assert folders("s3://b/t") == ("s3://b/t/", {})


@many
@given(parts=PARTS, end=texts())
def test_any_path_is_a_table_and_a_partition_or_is_refused(parts: list[str], end: str) -> None:
    path = "/".join(["s3://bucket", *parts, end])
    error = caught(lambda: checked(path))
    if error is not None:
        assert isinstance(error, UsageError)
        assert error.fix
        assert "\n" not in error.message
        return
    location, partition = folders(path)
    again = location + "".join(f"{name}={value}/" for name, value in partition.items())
    assert again == f"{path.rstrip('/')}/"
    assert "=" not in location
    assert all(name == name.lower() and value for name, value in partition.items())


@pytest.mark.parametrize(
    ("path", "partitions", "words"),
    [
        ("s3://b/t/", {"c": "int"}, "has the column c twice"),
        ("s3://b/t/date=1/", {"date": "date"}, "has the column date twice"),
        ("s3://b/t/", {"Hour": "int"}, "a name of small letters, digits and _"),
        ("s3://b/t/", {"hour": "array<int>"}, "a type of one value"),
    ],
)
def test_partitions_that_no_table_can_have_are_refused(
    path: str, partitions: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        checked(path, **partitions)


def checked(path: str, **partitions: str) -> None:
    row = {"database": "d", "name": "t", "path": path, "columns": {"c": "int"}, "partitions": partitions}
    glue_tables.check([typed.convert(row, Table, label="f.yml")], "steps[0] (s)")
