"""Values and names as DuckDB's SQL writes them."""

from __future__ import annotations

from typing import Any


def literal(value: Any) -> str:
    """Return a value of an option."""
    if isinstance(value, list):
        return f"[{', '.join(literal(one) for one in value)}]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()


def quoted(name: str) -> str:
    """Return a name, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
