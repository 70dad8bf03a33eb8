"""A statement in Athena's SQL: what it reads, and the same in DuckDB's SQL.

Athena's dialect is Trino's: Athena User Guide, "SQL reference for Athena".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError

from emrbox.athena.problems import QueryError, invalid_request

if TYPE_CHECKING:
    from emrbox.aws.errors import AwsError

DIALECT = "athena"
# It writes to the log each statement that it leaves unparsed, which is refused by its name anyway.
logging.getLogger("sqlglot").setLevel(logging.ERROR)
# What may stand in a condition by which partitions are left out; all else is left to the query itself.
_SIMPLE = (
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE),
    *(exp.In, exp.Between, exp.Like, exp.Is, exp.Null, exp.Literal, exp.Boolean, exp.Column, exp.Identifier),
)


@dataclass(frozen=True)
class Reference:
    """A table where a statement names it; `view` is the name that DuckDB knows it by."""

    view: str
    database: str
    table: str
    node: exp.Table

    @property
    def place(self) -> str:
        """Where in the statement the name stands, as errors say it."""
        first = self.node.args.get("catalog") or self.node.args.get("db") or self.node.this
        meta: dict[str, Any] = first.meta
        start = meta.get("col", 1) - (meta.get("end", 0) - meta.get("start", 0))
        return f"line {meta.get('line', 1)}:{start}"

    def conditions(self, keys: set[str]) -> list[str]:
        """Return what the statement requires of this table's partition keys, in DuckDB's SQL."""
        select = self.node.find_ancestor(exp.Select)
        if select is None or not select.args.get("where") or _parts(select) is None:
            return []
        parts = _parts(select) or []
        where: exp.Expr = select.args["where"].this
        every = where.flatten() if isinstance(where, exp.And) else [where]
        return [one.sql("duckdb") for one in (_unqualified(c, self, keys, parts) for c in every) if one]


def _parts(select: exp.Select) -> list[exp.Expr] | None:
    """Return the tables and joined tables of a SELECT; None when a join may add rows of its own."""
    joins: list[exp.Join] = select.args.get("joins") or []
    if any(join.side for join in joins):
        return None
    source = select.args.get("from_") or select.args.get("from")
    return [*([source.this] if source else []), *(join.this for join in joins)]


def _unqualified(
    condition: exp.Expr, of: Reference, keys: set[str], parts: list[exp.Expr]
) -> exp.Expr | None:
    if of.node not in parts or not all(isinstance(node, _SIMPLE) for node in condition.walk()):
        return None
    columns = list(condition.find_all(exp.Column))
    for column in columns:
        mine = column.table == of.node.alias_or_name if column.table else len(parts) == 1
        if not mine or column.name not in keys:
            return None
    if not columns:
        return None
    copy = condition.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    return copy


class Select:
    """One SELECT that was parsed: the whole statement, or the part of another one that reads."""

    def __init__(self, tree: exp.Query) -> None:
        self._tree = tree

    def references(self, database: str) -> list[Reference]:
        """Return the tables that it names; `database` is that of names without one. Raises QueryError."""
        _lower_names(self._tree)
        common = {cte.alias.lower() for cte in self._tree.find_all(exp.CTE)}
        found: list[Reference] = []
        for node in self._tree.find_all(exp.Table):
            if not isinstance(node.this, exp.Identifier):
                raise QueryError(
                    f"FUNCTION_NOT_FOUND: emrbox does not have the table function {node.sql(DIALECT)}"
                )
            if node.catalog not in {"", "awsdatacatalog"}:
                raise QueryError(f"CATALOG_NOT_FOUND: line 1:1: Catalog '{node.catalog}' does not exist")
            if not node.db and node.name in common:
                continue
            found.append(Reference(f"_table_{len(found)}", node.db or database, node.name, node))
        return found

    def columns(self) -> set[str] | None:
        """Return the names of all columns that it mentions; None when it asks for all (`*`)."""
        stars = (star for star in self._tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count))
        if any(True for _ in stars):
            return None
        return {node.name for node in self._tree.find_all(exp.Column)}

    def for_duckdb(self, references: list[Reference]) -> str:
        """Return it in DuckDB's SQL, with the views in the place of the tables. Changes it."""
        for number, one in enumerate(self._tree.selects):
            if not isinstance(one, (exp.Alias, exp.Column, exp.Star)):
                one.replace(exp.alias_(one.copy(), f"_col{number}", quoted=True))
        for column in self._tree.find_all(exp.Column):
            column.set("db", None)
            column.set("catalog", None)
        for reference in references:
            alias = reference.node.alias_or_name
            reference.node.set("this", exp.to_identifier(reference.view))
            reference.node.set("db", None)
            reference.node.set("catalog", None)
            if not reference.node.alias:
                reference.node.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        try:
            return self._tree.sql("duckdb")
        except SqlglotError as problem:
            raise QueryError(f"NOT_SUPPORTED: {problem}") from None


def parse(text: str, parameters: list[str]) -> exp.Expr:
    """Return the tree of one statement. InvalidRequestException for what Athena does not parse."""
    try:
        trees = [tree for tree in sqlglot.parse(text, read=DIALECT) if tree is not None]
    except ParseError as problem:
        raise malformed(problem) from None
    except (TokenError, RecursionError) as problem:
        raise invalid_request(f"line 1:1: {problem}", "MALFORMED_QUERY") from None
    if len(trees) != 1:
        raise invalid_request("Only one sql statement is allowed. Got: " + text[:1000], "MALFORMED_QUERY")
    [tree] = trees
    fill(list(tree.find_all(exp.Placeholder, bfs=False)), parameters)
    return tree


def select_of(tree: exp.Expr | None) -> Select:
    """Return the SELECT that a tree is. InvalidRequestException for all else."""
    if not isinstance(tree, (exp.Query, exp.Values)) or any(True for _ in tree.find_all(exp.Into)):
        found = "<EOF>" if tree is None else tree.sql(DIALECT).split(maxsplit=1)[0][:100]
        raise invalid_request(f"line 1:1: mismatched input '{found}'. Expecting: <query>", "MALFORMED_QUERY")
    if isinstance(tree, exp.Values):
        tree = exp.select("*").from_(tree)
    return Select(tree)


def malformed(problem: ParseError) -> AwsError:
    """Return what Athena says of a statement that cannot be parsed."""
    first = problem.errors[0]
    line, column, at = first.get("line", 1), first.get("col", 1), first.get("highlight", "")
    text = f"line {line}:{column}: mismatched input '{at}'. {first.get('description', '')}"
    return invalid_request(text, "MALFORMED_QUERY")


def fill(places: list[exp.Expr], parameters: list[str]) -> None:
    """Put execution parameters, which are literals in SQL, in the places of `?`.

    Raises InvalidRequestException.
    """
    if len(places) != len(parameters):
        text = f"Incorrect number of parameters: expected {len(places)} but found {len(parameters)}"
        raise invalid_request(text)
    for place, parameter in zip(places, parameters, strict=True):
        try:
            literal = sqlglot.parse_one(parameter, read=DIALECT)
        except (ParseError, TokenError):
            raise invalid_request(f"{parameter[:100]!r} is no literal in SQL") from None
        if any(True for _ in literal.find_all(exp.Query, exp.Column, exp.Command)):
            raise invalid_request(f"{parameter[:100]!r} is no literal in SQL")
        place.replace(literal)


def _lower_names(tree: exp.Expr) -> None:
    """Names of tables and columns have no case: Athena User Guide, "Name databases, tables, and columns"."""
    for node in tree.find_all(exp.Table, exp.Column, exp.TableAlias):
        for part in node.find_all(exp.Identifier):
            part.set("this", part.name.lower())
