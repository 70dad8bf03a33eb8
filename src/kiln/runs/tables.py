"""Tables that steps ask for: registered in the Glue Data Catalog when the step has ended well.

Doing it again changes nothing. What people have made there under the same name is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.effects import CatalogPartition, CatalogTable
from kiln.errors import AwsError, StepFailedError
from kiln.failure_classes import FailureClass
from kiln.settings import glue_tables
from kiln.settings.glue_tables import folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kiln.aws.effects import Columns, Effects
    from kiln.settings.glue_tables import Table
    from kiln.settings.model import StepSettings

# How this is called among the phases of a run.
PHASE = "tables"


def register(effects: Effects, steps: Iterable[StepSettings], report: Callable[[str], None]) -> bool:
    """Let the catalog have the tables of these steps; return whether anything has changed.

    Raises StepFailedError for a table that is not Kiln's or that cannot be changed to what is asked for, and
    with what AWS refuses; what AwsError does not cover (throttling, no answer) as it is.
    """
    changed = False
    for table in (one for step in steps for one in step.tables):
        try:
            lines = _register(effects, table)
        except AwsError as error:
            raise StepFailedError(
                f"table {table.database}.{table.name} was not registered: {error.message}",
                fix=error.fix
                or "allow it in the operator's policy (iam/operator.json), or correct the table",
                failure_class=error.failure_class,
            ) from error
        for line in lines:
            report(line)
        changed = changed or bool(lines)
    return changed


def _register(effects: Effects, table: Table) -> list[str]:
    """Return what was changed, a line each."""
    lines = []
    wanted = _wanted(table)
    if not effects.has_database(table.database):
        effects.create_database(table.database)
        lines.append(f"database {table.database}: made")
    found = effects.get_table(table.database, table.name)
    if found is None:
        effects.create_table(wanted)
        lines.append(f"table {table.database}.{table.name}: made, for {wanted.location}")
    elif found != wanted:
        _check_change(found, wanted)
        effects.update_table(wanted)
        lines.append(f"table {table.database}.{table.name}: its columns are now those of the settings")
    for path in _partitions(effects, table):
        lines += _register_partition(effects, path, wanted)
    return lines


def _partitions(effects: Effects, table: Table) -> list[str]:
    """Return the folders of the partitions that the table has to have."""
    if table.partitions:
        objects = effects.list_objects(f"{table.path.rstrip('/')}/")
        return glue_tables.below(table, (one.uri for one in objects))
    return [table.path] if folders(table.path).partition else []


def _wanted(table: Table) -> CatalogTable:
    return CatalogTable(
        database=table.database,
        name=table.name,
        location=folders(table.path).location,
        columns=tuple((name.lower(), kind) for name, kind in table.columns.items()),
        partition_keys=glue_tables.keys(table),
        is_managed=True,
    )


def _check_change(found: CatalogTable, wanted: CatalogTable) -> None:
    """Raise StepFailedError when more than the columns would have to change."""
    name = f"{wanted.database}.{wanted.name}"
    if not found.is_managed:
        what = "it exists, and was not made by Kiln (it lacks the parameter managed_by=kiln)"
    elif found.location != wanted.location:
        what = f"it is for {found.location}, and the step's files are at {wanted.location}"
    elif found.partition_keys != wanted.partition_keys:
        what = (
            f"it is partitioned by {_shown(found.partition_keys)}, "
            f"and the step's files by {_shown(wanted.partition_keys)}"
        )
    else:
        return
    raise StepFailedError(
        f"table {name} was not registered: {what}",
        fix="choose another name in tables, or drop that table",
        failure_class=FailureClass.VALIDATION,
    )


def _shown(keys: Columns) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in keys) or "nothing"


def _register_partition(effects: Effects, path: str, whole: CatalogTable) -> list[str]:
    values = tuple(folders(path).partition.values())
    wanted = CatalogPartition(
        database=whole.database,
        table=whole.name,
        values=values,
        location=f"{path.rstrip('/')}/",
        columns=whole.columns,
    )
    found = effects.get_partition(whole.database, whole.name, values)
    if found == wanted:
        return []
    # A reader that follows the table must not see the partition before its table: so it comes last.
    write = effects.create_partition if found is None else effects.update_partition
    write(wanted)
    verb = "made" if found is None else "changed"
    return [f"table {whole.database}.{whole.name}: partition {'/'.join(values)} {verb}"]


def of_complete(steps: Iterable[StepSettings], complete: Iterable[str]) -> list[StepSettings]:
    """Return the steps with tables among those that are complete, in the pipeline's order, each once."""
    done = set(complete)
    chosen = {step.name: step for step in steps if step.tables and step.name in done}
    return list(chosen.values())
