"""PyAthena as its documentation uses it: `python athena_pyathena.py BUCKET CASE...`, with AWS_* settings.

The tables are those of its own tests, `one_row`, `many_rows` and `one_row_complex`, without nested columns,
which emrbox does not read from text.
"""

import sys
from collections import OrderedDict

from pyathena import DatabaseError, OperationalError, connect
from pyathena.async_cursor import AsyncCursor, AsyncDictCursor
from pyathena.cursor import DictCursor

BUCKET, *CASES = sys.argv[1:]
STAGING = f"s3://{BUCKET}/path/to/"
OPTIONS = {"s3_staging_dir": STAGING, "region_name": "us-east-1", "poll_interval": 0.1}  # seconds; else 1
DELIMITED = r"ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' LINES TERMINATED BY '\n' STORED AS TEXTFILE"
COMPLEX = """col_boolean BOOLEAN, col_tinyint TINYINT, col_int INT, col_bigint BIGINT, col_float FLOAT,
col_double DOUBLE, col_string STRING, col_varchar VARCHAR(10), col_timestamp TIMESTAMP, col_date DATE,
col_decimal DECIMAL(10,1)"""
NUMBERS = ["true", "127", "2147483647", "9223372036854775807", "0.5", "0.25"]
COMPLEX_ROW = [*NUMBERS, "a string", "varchar", "2017-01-01 00:00:00", "2017-01-02", "0.1"]


def tables():
    """Make the tables, by DDL and with boto3 for their objects."""
    import boto3

    s3 = boto3.client("s3")
    objects = {
        "one_row": "1\n",
        "many_rows": "".join(f"{n}\n" for n in range(10000)),
        "one_row_complex": "\t".join(COMPLEX_ROW) + "\n",
    }
    columns = {
        "one_row": "number_of_rows INT COMMENT 'some comment'",
        "many_rows": "a INT",
        "one_row_complex": COMPLEX,
    }
    cursor = connect(**OPTIONS).cursor()
    for name, text in objects.items():
        s3.put_object(Bucket=BUCKET, Key=f"{name}/{name}.tsv", Body=text.encode())
        cursor.execute(
            f"CREATE EXTERNAL TABLE IF NOT EXISTS default.{name} ({columns[name]})\n"
            f"COMMENT 'table comment'\n{DELIMITED}\nLOCATION 's3://{BUCKET}/{name}/'"
        )


def documented():
    cursor = connect(**OPTIONS).cursor()
    cursor.execute("SELECT * FROM one_row")
    assert cursor.description[0][:2] == ("number_of_rows", "integer"), cursor.description
    assert cursor.fetchall() == [(1,)]
    cursor.execute("SELECT * FROM many_rows LIMIT 10")
    assert list(cursor) == [(n,) for n in range(10)]
    cursor.execute("SELECT * FROM many_rows")
    assert len(cursor.fetchall()) == 10000
    cursor.execute(
        "SELECT col_string FROM one_row_complex WHERE col_string = %(param)s", {"param": "a string"}
    )
    assert cursor.fetchall() == [("a string",)]
    cursor.execute(
        "SELECT col_string FROM one_row_complex WHERE col_string = %(param)s OR col_string LIKE 'a%%'",
        {"param": "x"},
    )
    assert cursor.fetchall() == [("a string",)]
    cursor.execute("SELECT a FROM many_rows WHERE a < ?", parameters=["2"], paramstyle="qmark")
    assert cursor.fetchall() == [(0,), (1,)]
    started = []
    cursor.execute("SELECT 1", on_start_query_execution=started.append)
    assert started == [cursor.query_id]
    cursor.execute("SELECT * FROM one_row", result_reuse_enable=True, result_reuse_minutes=60)
    assert cursor.reused_previous_result
    query_id = cursor.query_id
    cursor.execute("SELECT * FROM one_row", cache_size=10)
    assert cursor.query_id == query_id
    cursor.execute("SHOW TABLES")
    assert sorted(cursor.fetchall()) == [("many_rows",), ("one_row",), ("one_row_complex",)]
    assert {one.name for one in cursor.list_table_metadata(schema_name="default")} >= {"many_rows", "one_row"}
    assert "TABLE_NOT_FOUND" in refusal(cursor, "SELECT * FROM nowhere", OperationalError)
    assert "InvalidRequestException" in refusal(cursor, "SELECT FROM WHERE", DatabaseError)


def refusal(cursor, query, kind):
    try:
        cursor.execute(query)
    except kind as problem:
        return str(problem)
    return ""


def complex_row():
    cursor = connect(**OPTIONS).cursor()
    cursor.execute("SELECT * FROM one_row_complex")
    [row] = cursor.fetchall()
    assert [str(one) for one in row] == ["True", *COMPLEX_ROW[1:]], row
    kinds = [
        "boolean",
        "tinyint",
        "integer",
        "bigint",
        "float",
        "double",
        "varchar",
        "varchar",
        "timestamp",
        "date",
    ]
    assert [one[1] for one in cursor.description] == [*kinds, "decimal"], cursor.description


def dictionaries():
    cursor = connect(**OPTIONS, cursor_class=DictCursor).cursor(dict_type=OrderedDict)
    cursor.execute("SELECT * FROM many_rows LIMIT 10")
    assert [row["a"] for row in cursor] == list(range(10))


def asynchronous():
    cursor = connect(**OPTIONS, cursor_class=AsyncCursor).cursor()
    query_id, future = cursor.execute("SELECT * FROM many_rows")
    result_set = future.result()
    assert (result_set.state, result_set.query_id) == ("SUCCEEDED", query_id)
    assert result_set.data_scanned_in_bytes == len("".join(f"{n}\n" for n in range(10000)))
    assert result_set.total_execution_time_in_millis >= result_set.engine_execution_time_in_millis
    assert result_set.output_location == f"{STAGING}{query_id}.csv"
    assert len(result_set.fetchall()) == 10000
    query_id, future = cursor.execute("SELECT count(*) FROM many_rows a, many_rows b, many_rows c")
    cursor.cancel(query_id)
    assert future.result().state == "CANCELLED"
    dictionary = connect(**OPTIONS).cursor(AsyncDictCursor)
    _, future = dictionary.execute("SELECT * FROM many_rows LIMIT 10")
    assert [row["a"] for row in future.result()] == list(range(10))


def pandas():
    import pandas as pd
    from pyathena.pandas.cursor import PandasCursor
    from pyathena.pandas.util import as_pandas, to_sql

    connection = connect(**OPTIONS)
    cursor = connection.cursor(PandasCursor)
    frame = cursor.execute("SELECT * FROM many_rows").as_pandas()
    assert frame["a"].sum() == sum(range(10000))
    assert cursor.data_scanned_in_bytes > 0
    unloading = connection.cursor(PandasCursor, unload=True)
    frame = unloading.execute("SELECT a, a * 2 AS b FROM many_rows WHERE a < 3").as_pandas()
    assert sorted(frame["b"]) == [0, 2, 4]
    plain = connection.cursor()
    plain.execute("SELECT * FROM one_row_complex")
    assert as_pandas(plain)["col_string"][0] == "a string"
    made = pd.DataFrame({"a": [1, 2, 3, 4, 5], "c": ["x", "x", "y", "y", "y"]})
    to_sql(
        made,
        "written",
        connection,
        f"s3://{BUCKET}/written/",
        schema="default",
        if_exists="replace",
        partitions=["c"],
    )
    plain.execute("SELECT c, sum(a) FROM written GROUP BY c ORDER BY c")
    assert plain.fetchall() == [("x", 3), ("y", 12)]


def sqlalchemy():
    from sqlalchemy import func, inspect, select
    from sqlalchemy.engine import create_engine
    from sqlalchemy.sql.schema import MetaData, Table

    engine = create_engine(
        f"awsathena+rest://:@athena.us-east-1.amazonaws.com:443/default?s3_staging_dir=s3%3A%2F%2F{BUCKET}%2Fpath%2Fto%2F"
    )
    with engine.connect() as connection:
        many_rows = Table("many_rows", MetaData(), autoload_with=connection)
        assert connection.execute(select(func.count("*")).select_from(many_rows)).scalar() == 10000
        assert sorted(inspect(connection).get_table_names()) == ["many_rows", "one_row", "one_row_complex"]


if __name__ == "__main__":
    for case in CASES:
        globals()[case]()
