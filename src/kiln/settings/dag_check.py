"""What the typed key `dag` cannot say of itself: which of its keys exclude or need each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kiln.settings.dag import Dag

KEY = "dag"


def problems(dag: Dag | None, place: Callable[[str], str]) -> Iterator[UsageError]:
    """Yield what no DAG can be made of; `place` returns the file and line of a key."""
    if dag is None:
        return
    if dag.schedule and dag.schedule_assets:
        yield UsageError(
            f"{place('dag.schedule_assets')}: dag has both schedule and schedule_assets",
            fix="leave one of them out",
        )
    for at, row in enumerate(dag.wait_for):
        where = f"{place(f'dag.wait_for[{at}]')}: dag.wait_for[{at}]"
        if row.dag is None and row.object is None:
            yield UsageError(f"{where} names nothing to wait for", fix="add `dag` or `object`")
        if row.object is not None and (row.dag or row.task or row.hours_before):
            yield UsageError(
                f"{where} has an object, and keys of a wait for a DAG",
                fix="make two rows of it",
            )
        if row.object is None and row.connection != "aws_default":
            yield UsageError(
                f"{where} has a connection, which only an object needs",
                fix="remove `connection`",
            )
