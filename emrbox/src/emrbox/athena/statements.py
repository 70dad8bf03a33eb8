"""One statement, by its first words: what emrbox runs, and what it refuses by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.athena import ddl, sql, writes
from emrbox.athena.problems import invalid_request
from emrbox.athena.queries import select_statement
from emrbox.athena.refusals import refused
from emrbox.athena.words import Words, first_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.athena.job import Statement

DDL: dict[str, Callable[[str, Words], Statement]] = {
    "ALTER": ddl.alter,
    "CREATE": ddl.create,
    "DESC": ddl.describe,
    "DESCRIBE": ddl.describe,
    "DROP": ddl.drop,
    "MSCK": ddl.msck,
    "SHOW": ddl.show,
}
WRITES = {"INSERT": writes.insert_into, "UNLOAD": writes.unload}
# Athena User Guide, "SQL reference for Athena"; Trino's plans cannot come from DuckDB.
REFUSED = frozenset(
    (
        "ANALYZE",
        "DEALLOCATE",
        "DELETE",
        "EXECUTE",
        "EXPLAIN",
        "MERGE",
        "OPTIMIZE",
        "PREPARE",
        "UPDATE",
        "VACUUM",
    )
)


def parse(text: str, parameters: list[str]) -> Statement:
    """Return a statement that can be run. InvalidRequestException for all else."""
    first, second = first_words(text)
    if first in REFUSED:
        raise refused(first)
    if first in WRITES:
        return WRITES[first](text, parameters)
    if (first, second) == ("CREATE", "TABLE"):
        return writes.create_table_as(text, parameters)
    if first not in DDL:
        return select_statement(sql.select_of(sql.parse(text, parameters)))
    if parameters:
        raise invalid_request(f"Incorrect number of parameters: expected 0 but found {len(parameters)}")
    return DDL[first](text, Words(text))
