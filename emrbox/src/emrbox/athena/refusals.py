"""What is refused before or while a statement runs, in Hive's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.athena.callers import DENIED, split_location
from emrbox.athena.problems import QueryError, invalid_request

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from emrbox.aws.errors import AwsError

# Hive's class of DDL tasks, as reasons of failed queries name it (docs/aws_facts.md 13.3).
TASK = "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask."


def refused(what: str) -> AwsError:
    """Return the refusal of what emrbox does not have."""
    return invalid_request(f"emrbox does not have {what}", "MALFORMED_QUERY")


def require_location(location: str) -> None:
    """Refuse what is not the address of an S3 folder."""
    try:
        split_location(location)
    except ValueError as problem:
        raise invalid_request(f"line 1:8: {problem}", "MALFORMED_QUERY") from None


def metastore_error(problem: ClientError) -> QueryError:
    """Return what Athena says of a query that Glue refused."""
    error = problem.response["Error"]
    if error["Code"] in DENIED:
        asked = problem.response["ResponseMetadata"].get("RequestId", "")
        details = f"Error Code: {error['Code']}; Request ID: {asked}; Proxy: null"
        text = f"{error['Message']} (Service: AmazonDataCatalog; Status Code: 400; {details})"
        return QueryError(text)
    return QueryError(f"HIVE_METASTORE_ERROR: {error['Message']}")


def ddl_error(problem: ClientError) -> QueryError:
    """Return what Athena says of a statement that Glue refused."""
    error = problem.response["Error"]
    if error["Code"] in DENIED:
        return metastore_error(problem)
    return QueryError(f"{TASK} {error['Code'].replace('Entity', 'Object')}(message:{error['Message']})")


def not_found(table: str) -> QueryError:
    """Return what Athena says in DDL of a table that is not there. The words are a guess, after Hive's."""
    return QueryError(f"FAILED: SemanticException [Error 10001]: Table not found {table}")
