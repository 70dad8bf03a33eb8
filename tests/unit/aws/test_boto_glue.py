"""The real effects on the Glue Data Catalog, against moto's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from hostile import documents, many
from hypothesis import given
from moto.server import ThreadedMotoServer

from kiln.aws import catalog
from kiln.aws.boto import Boto
from kiln.aws.effects import CatalogPartition, CatalogTable
from kiln.errors import AwsError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = CatalogTable(
    database="kiln_local",
    name="clicks",
    location="s3://data/clicks/",
    columns=(("time", "timestamp"), ("price", "decimal(10,2)")),
    partition_keys=(("date", "string"), ("hour", "int")),
    is_managed=True,
)
PARTITION = CatalogPartition(
    database="kiln_local",
    table="clicks",
    values=("2026-11-20", "05"),
    location="s3://data/clicks/date=2026-11-20/hour=05/",
    columns=TABLE.columns,
)


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Boto]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = "aws_access_key_id = x\naws_secret_access_key = y\n"
    file = tmp_path / "config"
    file.write_text(f"[profile test]\n{keys}endpoint_url = http://{host}:{port}\n")
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # loopback
    yield Boto(region="us-east-1", profile="test", config_file=file)
    server.stop()


def test_what_is_made_is_read_back_and_making_it_again_changes_nothing(aws: Boto) -> None:
    assert not aws.has_database("kiln_local")
    for _ in range(2):
        aws.create_database("kiln_local")
    assert aws.has_database("kiln_local")
    assert aws.get_table("kiln_local", "clicks") is None
    for _ in range(2):
        aws.create_table(TABLE)
    assert aws.get_table("kiln_local", "clicks") == TABLE
    assert aws.get_partition("kiln_local", "clicks", PARTITION.values) is None
    for _ in range(2):
        aws.create_partition(PARTITION)
    assert aws.get_partition("kiln_local", "clicks", PARTITION.values) == PARTITION


def test_a_table_and_a_partition_can_be_changed(aws: Boto) -> None:
    aws.create_database("kiln_local")
    aws.create_table(TABLE)
    aws.create_partition(PARTITION)
    columns = (*TABLE.columns, ("user", "string"))
    aws.update_table(CatalogTable(**{**as_dict(TABLE), "columns": columns}))
    aws.update_partition(CatalogPartition(**{**as_dict(PARTITION), "columns": columns}))
    table = aws.get_table("kiln_local", "clicks")
    partition = aws.get_partition("kiln_local", "clicks", PARTITION.values)
    assert table is not None
    assert partition is not None
    assert table.columns == partition.columns == columns


def as_dict(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def test_a_table_that_others_have_made_is_known_as_such(aws: Boto) -> None:
    aws.create_database("kiln_local")
    aws.client("glue").create_table(DatabaseName="kiln_local", TableInput={"Name": "clicks"})
    found = aws.get_table("kiln_local", "clicks")
    assert found is not None
    assert not found.is_managed


def test_other_refusals_are_errors(aws: Boto) -> None:
    with pytest.raises(AwsError, match="EntityNotFoundException"):
        aws.create_table(TABLE)


@many
@given(answer=documents())
def test_any_answer_is_read_or_counts_as_none(answer: Any) -> None:
    for read in (
        lambda: catalog.table(answer, "d"),
        lambda: catalog.table({"Table": answer}, "d"),
        lambda: catalog.partition({"Partition": answer}, "d", "t"),
    ):
        try:
            found = read()
        except UnansweredError:
            continue
        assert found.location.endswith("/")
