"""Tables as Glue keeps them and as Hive's DDL writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from emrbox.athena.problems import invalid_request
from emrbox.athena.refusals import refused, require_location
from emrbox.athena.sql import parse
from emrbox.athena.tables import FORMATS

if TYPE_CHECKING:
    from emrbox.athena.job import Job

Document = dict[str, Any]
_HADOOP = "org.apache.hadoop"
_TEXT = f"{_HADOOP}.mapred.TextInputFormat", f"{_HADOOP}.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_PARQUET = "MapredParquetInputFormat", "MapredParquetOutputFormat"
# Formats of STORED AS -> SerDe, input format and output format.
STORAGE = {
    "PARQUET": (
        f"{_HADOOP}.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        *(f"{_HADOOP}.hive.ql.io.parquet.{name}" for name in _PARQUET),
    ),
    "TEXTFILE": (f"{_HADOOP}.hive.serde2.lazy.LazySimpleSerDe", *_TEXT),
}
# What ROW FORMAT DELIMITED may say -> the parameters of LazySimpleSerDe.
DELIMITED = {
    "fields": ("field.delim", "serialization.format"),
    "escaped": ("escape.delim",),
    "collection_items": ("collection.delim",),
    "map_keys": ("mapkey.delim",),
    "lines": ("line.delim",),
    "null": ("serialization.null.format",),
}


def storage(columns: list[tuple[str, str]], location: str, form: str = "PARQUET") -> Document:
    """Return the StorageDescriptor of a table of names and Glue's types."""
    library, reads, writes = STORAGE[form]
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns],
        "Location": location,
        "InputFormat": reads,
        "OutputFormat": writes,
        "SerdeInfo": {"SerializationLibrary": library, "Parameters": {}},
    }


def create_external_table(text: str) -> tuple[str | None, Document, bool]:
    """Return database, TableInput and IF NOT EXISTS of a CREATE EXTERNAL TABLE.

    Raises InvalidRequestException for what is not well formed and for what emrbox lacks.
    """
    tree = parse(text, [])
    if not isinstance(tree, exp.Create) or not isinstance(tree.this, exp.Schema):
        raise invalid_request("line 1:8: no viable alternative at input 'create external'", "MALFORMED_QUERY")
    name = tree.this.this
    made: Document = {
        "Name": name.name.lower(),
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        "Parameters": {"EXTERNAL": "TRUE"},
    }
    described = storage([], "", "TEXTFILE")
    described["Columns"] = [_column(one) for one in tree.this.expressions]
    for one in tree.args["properties"].expressions:
        _apply(one, made, described)
    if not described["Location"]:
        raise invalid_request("line 1:8: mismatched input '<EOF>'. Expecting: 'LOCATION'", "MALFORMED_QUERY")
    require_location(described["Location"])
    return name.db.lower() or None, {**made, "StorageDescriptor": described}, bool(tree.args.get("exists"))


def _apply(found: exp.Expr, table: Document, described: Document) -> None:
    """Apply one clause of CREATE EXTERNAL TABLE."""
    match found:
        case exp.ExternalProperty():
            pass
        case exp.SchemaCommentProperty():
            table["Parameters"]["comment"] = found.name
        case exp.PartitionedByProperty():
            table["PartitionKeys"] = [_column(one) for one in found.this.expressions]
        case exp.LocationProperty():
            described["Location"] = found.name
        case exp.FileFormatProperty():
            _apply_stored_as(found, described)
        case exp.Property() if type(found) is exp.Property:
            table["Parameters"] |= _pairs([found])
        case _:
            _apply_row_format(found, described["SerdeInfo"])


def _apply_stored_as(found: exp.Expr, described: Document) -> None:
    if isinstance(found.this, exp.InputOutputFormat):
        described["InputFormat"] = found.this.args["input_format"].name
        described["OutputFormat"] = found.this.args["output_format"].name
        return
    form = found.name.upper()
    if form not in STORAGE:
        raise refused(f"tables STORED AS {form}; it has {', '.join(STORAGE)}")
    library, described["InputFormat"], described["OutputFormat"] = STORAGE[form]
    if form != "TEXTFILE":
        described["SerdeInfo"]["SerializationLibrary"] = library


def _apply_row_format(found: exp.Expr, serde: Document) -> None:
    match found:
        case exp.RowFormatSerdeProperty():
            if found.name not in FORMATS:
                raise refused(f"tables with SerDe {found.name}; it has {', '.join(FORMATS)}")
            serde["SerializationLibrary"] = found.name
            inner = found.args.get("serde_properties")
            serde["Parameters"] |= {} if inner is None else _pairs(inner.expressions)
        case exp.SerdeProperties():
            serde["Parameters"] |= _pairs(found.expressions)
        case exp.RowFormatDelimitedProperty():
            given = {
                clause: found.args[clause].name for clause in DELIMITED if found.args.get(clause) is not None
            }
            for clause, value in given.items():
                serde["Parameters"] |= dict.fromkeys(DELIMITED[clause], value)
        case _:
            raise refused(f"{found.sql('hive')[:100]} in CREATE EXTERNAL TABLE")


def _pairs(found: list[exp.Expr]) -> dict[str, str]:
    return {one.name or one.this.name: one.args["value"].name for one in found}


def _column(found: exp.Expr) -> Document:
    kind = found.args.get("kind")
    if not isinstance(found, exp.ColumnDef) or kind is None:
        raise invalid_request(f"line 1:8: no column definition: {found.sql('hive')[:100]}", "MALFORMED_QUERY")
    column = {"Name": found.name.lower(), "Type": glue_type(kind)}
    comment = found.find(exp.CommentColumnConstraint)
    return column if comment is None else {**column, "Comment": comment.name}


def glue_type(kind: exp.DataType) -> str:
    """Return a type as Glue keeps it: Hive's, in small letters, without spaces."""
    return kind.sql("hive").lower().replace(": ", ":").replace(", ", ",")


def show_create_table(table: Document) -> list[str]:
    """Return the lines of the statement that makes a table again."""
    described = table["StorageDescriptor"]
    serde = described["SerdeInfo"]
    lines = [f"CREATE EXTERNAL TABLE `{table['DatabaseName']}.{table['Name']}`("]
    lines += _column_lines(described["Columns"])
    if table.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", *_column_lines(table["PartitionKeys"])]
    lines += ["ROW FORMAT SERDE ", f"  {_text(serde['SerializationLibrary'])} "]
    if serde.get("Parameters"):
        lines += ["WITH SERDEPROPERTIES ( ", *_pair_lines(serde["Parameters"])]
    lines += ["STORED AS INPUTFORMAT ", f"  {_text(described.get('InputFormat', ''))} "]
    lines += ["OUTPUTFORMAT ", f"  {_text(described.get('OutputFormat', ''))}"]
    lines += ["LOCATION", f"  {_text(described['Location'])}"]
    parameters = {name: value for name, value in table.get("Parameters", {}).items() if name != "EXTERNAL"}
    return [*lines, "TBLPROPERTIES (", *_pair_lines(parameters)] if parameters else lines


def _column_lines(columns: list[Document]) -> list[str]:
    texts = []
    for one in columns:
        comment = f" COMMENT {_text(one['Comment'])}" if one.get("Comment") else ""
        texts.append(f"  `{one['Name']}` {one['Type']}{comment}")
    return [f"{text}, " for text in texts[:-1]] + [f"{text})" for text in texts[-1:]]


def _pair_lines(pairs: dict[str, str]) -> list[str]:
    texts = [f"  {_text(name)}={_text(value)}" for name, value in sorted(pairs.items())]
    return [f"{text}, " for text in texts[:-1]] + [f"{texts[-1]})"]


def _text(value: str) -> str:
    return (
        "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t") + "'"
    )


def table_of(job: Job, database: str, name: str) -> Document:
    """Return Glue's table. Raises ClientError."""
    found: Document = job.clients.glue.get_table(DatabaseName=database, Name=name)["Table"]
    return found
