"""Tables of the Glue Data Catalog between botocore's documents and kiln's values.

Facts: AWS Glue API, StorageDescriptor and TableInput; classes of Parquet: Amazon Athena User Guide, "Parquet
SerDe".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln.aws import forms
from kiln.aws.effects import CatalogPartition, CatalogTable, Columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MANAGED = {"managed_by": "kiln"}
_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


def table_input(table: CatalogTable) -> dict[str, Any]:
    """Return the TableInput of CreateTable and UpdateTable."""
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **_MANAGED},
        "PartitionKeys": _written(table.partition_keys),
        "StorageDescriptor": _storage(table.columns, table.location),
    }


def partition_input(partition: CatalogPartition) -> dict[str, Any]:
    """Return the PartitionInput of CreatePartition and UpdatePartition."""
    return {
        "Values": list(partition.values),
        "StorageDescriptor": _storage(partition.columns, partition.location),
    }


def _storage(columns: Columns, location: str) -> dict[str, Any]:
    return {
        "Columns": _written(columns),
        "Location": location,
        **_PARQUET,
    }


def _written(columns: Columns) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in columns]


@forms.whole
def table(answer: Mapping[str, Any], database: str) -> CatalogTable:
    """Read the answer of GetTable. Only the name is always there."""
    raw = answer["Table"]
    storage = raw.get("StorageDescriptor") or {}
    parameters = raw.get("Parameters") or {}
    return CatalogTable(
        database=database,
        name=forms.text(raw["Name"]),
        location=_folder(storage),
        columns=_columns(storage.get("Columns")),
        partition_keys=_columns(raw.get("PartitionKeys")),
        is_managed=all(parameters.get(name) == value for name, value in _MANAGED.items()),
    )


@forms.whole
def partition(answer: Mapping[str, Any], database: str, table: str) -> CatalogPartition:
    """Read the answer of GetPartition."""
    raw = answer["Partition"]
    storage = raw.get("StorageDescriptor") or {}
    return CatalogPartition(
        database=database,
        table=table,
        values=tuple(forms.text(one) for one in raw["Values"]),
        location=_folder(storage),
        columns=_columns(storage.get("Columns")),
    )


def _folder(storage: Mapping[str, Any]) -> str:
    return f"{forms.text(storage.get('Location')).rstrip('/')}/"


def _columns(found: Sequence[Mapping[str, Any]] | None) -> Columns:
    return tuple((forms.text(one["Name"]), forms.text(one.get("Type"))) for one in found or ())
