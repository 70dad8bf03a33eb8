"""What emrbox has of Athena: its operations and its SQL. docs/emrbox.md's tables are generated from here.

What is not here is refused by its name.
"""

from __future__ import annotations

OPERATIONS: dict[str, str] = {
    "BatchGetQueryExecution": "Each needs its own permission; others are in UnprocessedQueryExecutionIds",
    "CreateWorkGroup": "The results' place, EnforceWorkGroupConfiguration and BytesScannedCutoffPerQuery act",
    "DeleteWorkGroup": "Not `primary`; one with executions only with RecursiveDeleteOption",
    "GetDataCatalog": "AwsDataCatalog, which is Glue's",
    "GetDatabase": "Glue's, read as the caller",
    "GetQueryExecution": "State, reason, statistics with the bytes scanned, addresses of result and manifest",
    "GetQueryResults": "Pages out of the result file, which the caller must be allowed to read",
    "GetTableMetadata": "Glue's, read as the caller",
    "GetWorkGroup": "As it was made and changed",
    "ListDataCatalogs": "AwsDataCatalog",
    "ListDatabases": "Glue's, read as the caller",
    "ListQueryExecutions": "Those of a workgroup, the newest first",
    "ListTableMetadata": "Glue's, read as the caller; Expression is a regular expression of whole names",
    "ListWorkGroups": "By name; `primary` is there from the beginning",
    "StartQueryExecution": (
        "Parsed at once, run in a process of its own, two at a time; ResultReuseByAgeConfiguration acts; of "
        "ResultConfiguration only OutputLocation"
    ),
    "StopQueryExecution": "Ends the process; an execution that has ended stays as it is",
    "UpdateWorkGroup": "What CreateWorkGroup takes, and State",
}
STATEMENTS: dict[str, str] = {
    "SELECT": (
        "tables of Parquet, delimited text without nested types and OpenCSVSerde, `information_schema`; "
        "execution parameters; partitions left out by conditions; functions are DuckDB's after translation"
    ),
    "CREATE TABLE AS": (
        "Parquet; external_location, partitioned_by, write_compression (GZIP, SNAPPY, ZSTD, NONE), WITH NO "
        "DATA; at most 100 partitions"
    ),
    "INSERT INTO": "tables of Parquet, partitioned or not",
    "UNLOAD": "Parquet; partitioned_by, compression",
    "CREATE EXTERNAL TABLE": (
        "STORED AS PARQUET or TEXTFILE; ROW FORMAT DELIMITED, or SERDE of the three above; PARTITIONED BY, "
        "TBLPROPERTIES"
    ),
    "CREATE and DROP DATABASE, DROP TABLE": "CASCADE drops a database's tables; objects stay",
    "ALTER TABLE ADD and DROP PARTITION, MSCK REPAIR TABLE": "LOCATION or not; folders `key=value/`",
    "SHOW DATABASES, TABLES, PARTITIONS, COLUMNS, CREATE TABLE; DESCRIBE": "of tables; LIKE with `*` and `|`",
}
NO_STATEMENTS = (
    "views; PREPARE and EXECUTE; EXPLAIN; Iceberg tables (CREATE TABLE, DELETE, UPDATE, MERGE, OPTIMIZE, "
    "VACUUM); other changes by ALTER; DESCRIBE EXTENDED and FORMATTED; SHOW TBLPROPERTIES and VIEWS; formats "
    "ORC, JSON, Avro; partition projection; reading of tables with ESCAPED BY"
)
