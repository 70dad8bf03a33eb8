"""The real effects on the Glue Data Catalog."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from kiln.aws import catalog
from kiln.aws.clients import Clients, allowing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws import effects

_ABSENT, _EXISTS = "EntityNotFoundException", "AlreadyExistsException"


class BotoGlue(Clients):
    """Databases, tables and partitions."""

    @cached_property
    def _glue(self) -> Any:
        return self.client("glue")

    def has_database(self, name: str) -> bool:
        """Return whether the catalog has a database."""
        with allowing(_ABSENT):
            self.call(self._glue, "get_database", Name=name)
            return True
        return False

    def create_database(self, name: str) -> None:
        """Make a database."""
        with allowing(_EXISTS):
            self.call(self._glue, "create_database", DatabaseInput={"Name": name})

    def get_table(self, database: str, name: str) -> effects.CatalogTable | None:
        """Return a table, or None when it is not there."""
        with allowing(_ABSENT):
            answer = self.call(self._glue, "get_table", DatabaseName=database, Name=name)
            return catalog.table(answer, database)
        return None

    def create_table(self, table: effects.CatalogTable) -> None:
        """Make a table."""
        with allowing(_EXISTS):
            self._write("create_table", table)

    def update_table(self, table: effects.CatalogTable) -> None:
        """Replace the definition of a table."""
        self._write("update_table", table)

    def _write(self, operation: str, table: effects.CatalogTable) -> None:
        self.call(self._glue, operation, DatabaseName=table.database, TableInput=catalog.table_input(table))

    def get_partition(
        self, database: str, table: str, values: Sequence[str]
    ) -> effects.CatalogPartition | None:
        """Return a partition of a table, or None when it is not there."""
        of = {"DatabaseName": database, "TableName": table}
        with allowing(_ABSENT):
            answer = self.call(self._glue, "get_partition", **of, PartitionValues=list(values))
            return catalog.partition(answer, database, table)
        return None

    def create_partition(self, partition: effects.CatalogPartition) -> None:
        """Make a partition."""
        of = {"DatabaseName": partition.database, "TableName": partition.table}
        with allowing(_EXISTS):
            self.call(self._glue, "create_partition", **of, PartitionInput=catalog.partition_input(partition))

    def update_partition(self, partition: effects.CatalogPartition) -> None:
        """Replace the definition of a partition."""
        self.call(
            self._glue,
            "update_partition",
            DatabaseName=partition.database,
            TableName=partition.table,
            PartitionValueList=list(partition.values),
            PartitionInput=catalog.partition_input(partition),
        )
