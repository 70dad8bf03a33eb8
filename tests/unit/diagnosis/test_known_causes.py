"""The table of known causes: each sign with a text that logs have, and hostile texts for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.diagnosis import known_causes, matching
from kiln.diagnosis.known_causes import KINDS
from kiln.diagnosis.signs import DRIVER, EXECUTOR, SIGNS, Sign

PAGE = Path(__file__).resolve().parents[3] / "docs/known_causes.md"
HEAP = "java.lang.OutOfMemoryError: Java heap space"
LOST = "ExecutorLostFailure (executor 4 exited caused by one of the running tasks) Reason: "
AM = (
    "Application application_1_2 failed 1 times due to AM Container for appattempt_1_2_000001 exited with "
    "exitCode: -104 [x]Container [pid=7,containerID=container_1_2_01_000001] is running 5B beyond the "
    "'PHYSICAL' memory limit. Current usage: 1.5 GB of 1.4 GB physical memory used; killing container."
)
BOTO = "botocore.exceptions.ClientError: An error occurred ({}) when calling the {} operation: {}"
ROLE = "arn:aws:sts::1:assumed-role/EMR/i-1"
EMRFS = "AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)"

# Text, the log it is in, kind, first line.
EXAMPLES = [
    (
        "check_data: s3://data/daily/date=2026-11-20/ fails: 80 rows, at least 100 expected",
        DRIVER,
        "data_check",
        "check_data: s3://data/daily/date=2026-11-20/ fails: 80 rows, at least 100 expected",
    ),
    (
        "serialized results of 12 tasks (1.1 GiB) is bigger than spark.driver.maxResultSize (1024.0 MiB)",
        DRIVER,
        "result_size",
        "the results of 12 tasks (1.1 GiB) are larger than spark.driver.maxResultSize (1024.0 MiB)",
    ),
    (
        "Required AM memory (9000+900 MB) is above the max threshold (3072 MB) of this cluster!",
        "",
        "yarn_limit",
        "the AM needs 9000 MB and its overhead; YARN gives a container at most 3072 MB",
    ),
    (
        "InvalidResourceRequestException: Invalid resource request! Too much memory",
        "",
        "yarn_limit",
        "YARN refused the container that the job asked for: Invalid resource request! Too much memory",
    ),
    (
        AM,
        "",
        "driver_container_memory",
        "the driver ran out of memory: YARN killed its container, which used 1.5 GB of 1.4 GB",
    ),
    (
        AM.replace("_000001]", "_000003]"),
        "",
        "container_memory",
        "an executor ran out of memory: YARN killed its container, which used 1.5 GB of 1.4 GB",
    ),
    (
        f"{LOST}Container killed by YARN for exceeding physical memory limits. 5.6 GB of 5.5 GB used.",
        DRIVER,
        "container_memory",
        "an executor ran out of memory: YARN killed its container, which used 5.6 GB of 5.5 GB",
    ),
    (
        "Container killed by YARN for exceeding memory limits.",
        DRIVER,
        "container_memory",
        "an executor ran out of memory: YARN killed its container",
    ),
    (
        f"Lost task 3.0 in stage 0.0 (TID 3) (host executor 1): {HEAP}",
        DRIVER,
        "executor_memory",
        f"an executor ran out of memory: {HEAP}",
    ),
    (HEAP, EXECUTOR, "executor_memory", f"an executor ran out of memory: {HEAP}"),
    (
        "MemoryError: Unable to allocate 8 GiB",
        EXECUTOR,
        "executor_memory",
        "a Python worker of an executor ran out of memory: MemoryError: Unable to allocate 8 GiB",
    ),
    (f"{LOST}Exit status: 52.", DRIVER, "executor_memory", "executor 4 ran out of memory (exit status 52)"),
    (f": {HEAP}", DRIVER, "driver_memory", f"the driver ran out of memory: {HEAP}"),
    (
        "numpy.core._exceptions.MemoryError: Unable to allocate 8 GiB",
        DRIVER,
        "driver_memory",
        "the driver ran out of memory: numpy.core._exceptions.MemoryError: Unable to allocate 8 GiB",
    ),
    (
        f"{LOST}Container released on a *lost* node",
        DRIVER,
        "node_lost",
        "executor 4 was lost with its node",
    ),
    (
        "Application diagnostics message: Max number of executor failures (3) reached",
        "",
        "executor_lost",
        "3 executors failed, the most that Spark accepts",
    ),
    (f"{LOST}x. Exit status: 137.", DRIVER, "executor_lost", "executor 4 ended with exit status 137"),
    (
        "ImportError: No module named numpy.core",
        "",
        "missing_module",
        "ImportError: No module named numpy.core",
    ),
    (
        f'{ROLE} is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::b/k" because',
        "",
        "access_denied",
        f"access denied: s3:PutObject on arn:aws:s3:::b/k for {ROLE}",
    ),
    (
        "java.nio.file.AccessDeniedException: s3a://b/k: open on s3a://b/k: 403",
        "",
        "access_denied",
        "access denied: open (s3:GetObject) on s3a://b/k",
    ),
    (
        BOTO.format("AccessDenied", "PutObject", "Access Denied"),
        "",
        "access_denied",
        "access denied: PutObject (s3:PutObject)",
    ),
    (
        "reading s3://b/k\n" + BOTO.format("403", "HeadObject", "Forbidden"),
        "",
        "access_denied",
        "access denied: HeadObject (s3:GetObject) on s3://b/k",
    ),
    (EMRFS, "", "access_denied", "access denied by Amazon S3"),
    (
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
        "",
        "no_credentials",
        "NoCredentialsError: Unable to locate credentials",
    ),
    (
        "org.apache.hadoop.fs.s3a.UnknownStoreException: `s3a://nob/data': Bucket does not exist",
        "",
        "no_bucket",
        "the bucket of s3a://nob does not exist",
    ),
    (
        "s3://nob/x: " + BOTO.format("NoSuchBucket", "ListObjectsV2", "The specified bucket does not exist"),
        "",
        "no_bucket",
        "an S3 bucket does not exist: s3://nob/x",
    ),
    ("The specified bucket does not exist", "", "no_bucket", "an S3 bucket does not exist"),
    (
        "Input path does not exist: hdfs://m:8020/x",
        "",
        "no_path",
        "the path hdfs://m:8020/x does not exist",
    ),
    (
        "java.io.FileNotFoundException: File does not exist: hdfs://m:8020/x",
        "",
        "no_path",
        "the path hdfs://m:8020/x does not exist",
    ),
    (BOTO.format("NoSuchKey", "GetObject", "x"), "", "no_path", "an S3 object does not exist"),
    (
        "fatal error: " + BOTO.format("404", "HeadObject", 'Key "a" does not exist'),
        "",
        "no_path",
        "an S3 object does not exist",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/x'",
        "",
        "no_path",
        "FileNotFoundError: [Errno 2] No such file or directory: '/x'",
    ),
    (
        "FileAlreadyExistsException: Output directory s3://b/o already exists",
        "",
        "output_exists",
        "the output s3://b/o exists already",
    ),
    (
        "org.apache.hadoop.fs.FileAlreadyExistsException: s3://b/o is there",
        "",
        "output_exists",
        "the output exists already: s3://b/o",
    ),
    (
        "OSError: [Errno 28] No space left on device",
        EXECUTOR,
        "disk_full",
        "OSError: [Errno 28] No space left on device",
    ),
    (
        'OperationalError: connection failed: FATAL:  password authentication failed for user "reader"',
        "",
        "login",
        'password authentication failed for user "reader"',
    ),
    (
        "Access denied for user 'reader'@'10.0.0.1'",
        "",
        "login",
        "Access denied for user 'reader'@'10.0.0.1'",
    ),
    (
        'psycopg.OperationalError: connection to server at "10.0.0.9", port 5432 failed: Connection refused',
        "",
        "connection",
        'connection to server at "10.0.0.9", port 5432 failed: Connection refused',
    ),
    (
        "Caused by: java.net.ConnectException: Connection timed out",
        "",
        "connection",
        "java.net.ConnectException: Connection timed out",
    ),
    ("Communications link failure", "", "connection", "Communications link failure"),
    ("java.net.UnknownHostException: db", "", "connection", "java.net.UnknownHostException: db"),
    (
        "socket.gaierror: [Errno -2] Name or service not known",
        "",
        "connection",
        "socket.gaierror: [Errno -2] Name or service not known",
    ),
    (
        '  File "sd.py", line 9\n    f(\nIndentationError: unexpected indent',
        "",
        "syntax_error",
        "IndentationError: unexpected indent (sd.py, line 9)",
    ),
    (
        "java.util.zip.ZipException: error in opening zip file",
        "",
        "bad_jar",
        "a jar cannot be opened: java.util.zip.ZipException: error in opening zip file",
    ),
    (
        "Error: Invalid or corrupt jarfile x.jar",
        "",
        "bad_jar",
        "Invalid or corrupt jarfile x.jar",
    ),
    (
        "Exception in thread main: Cannot load main class from JAR file:/x.jar",
        "",
        "bad_jar",
        "Cannot load main class from JAR file:/x.jar",
    ),
    ("Error: Failed to load class a.B.", "", "missing_class", "the class a.B is not in the jars"),
    (
        "java.lang.ClassNotFoundException: a.B",
        "",
        "missing_class",
        "ClassNotFoundException: the class a.B is not in the jars",
    ),
    (
        "java.lang.NoClassDefFoundError: a/B",
        "",
        "missing_class",
        "NoClassDefFoundError: the class a/B is not in the jars",
    ),
    (
        "[DATA_SOURCE_NOT_FOUND] Failed to find data source: delta. Please find packages at",
        "",
        "missing_class",
        "the data source delta is not in the jars",
    ),
    (
        "bash: line 1: nosuch: command not found",
        "",
        "command_not_found",
        "bash: line 1: nosuch: command not found",
    ),
    (
        'Cannot run program "nosuch" (in directory "."): error=2, No such file or directory',
        "",
        "command_not_found",
        "the command nosuch was not found",
    ),
    (
        "setpriv: failed to execute nosuch: No such file or directory",
        "",
        "command_not_found",
        "the command nosuch was not found",
    ),
]


@pytest.mark.parametrize(("text", "role", "kind", "headline"), EXAMPLES)
def test_a_text_shows_its_cause(text: str, role: str, kind: str, headline: str) -> None:
    vague = KINDS[kind].is_vague
    found = (
        matching.in_log(text, role, vague=vague) if KINDS[kind].anywhere else matching.in_error(text, role)
    )
    assert found is not None
    assert (found.kind, found.headline) == (kind, headline)


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: f"{sign.kind}-{sign.needle}")
def test_every_sign_has_an_example(sign: Sign) -> None:
    lines = [line for text, _, kind, _ in EXAMPLES if kind == sign.kind for line in text.splitlines()]
    assert any(sign.needle in line and sign.pattern.search(line) for line in lines)


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text() == known_causes.markdown(), "run: make docs"


def test_every_kind_is_found_by_a_sign_or_by_name() -> None:
    by_form = {"python_exception", "java_exception", "bootstrap_action", "killed", "exit_code"}
    assert set(KINDS) == {sign.kind for sign in SIGNS} | by_form | {"stopped", "last_output", "no_log"}


def test_what_a_job_may_handle_itself_counts_in_its_last_error_only() -> None:
    handled = "WARN FileStreamSink: java.io.FileNotFoundException: No such file or directory: s3://b/k"
    assert matching.in_log(handled, DRIVER, vague=False) is None
    assert matching.in_error(handled) is not None


# Beginnings of patterns, and what they match.
PARTS = sorted({sign.needle for sign in SIGNS} | {text for text, *_ in EXAMPLES})


@many
@given(texts(*PARTS, "\n", " "), st.sampled_from(["", DRIVER, EXECUTOR]))
def test_any_text_has_a_short_first_line_or_none(text: str, role: str) -> None:
    found = matching.in_error(text, role)
    assert found is None or (len(found.headline) <= 300 and "\n" not in found.headline)
    assert found is None or 0 <= found.start <= len(text)


def test_texts_that_almost_match_cost_no_more_than_their_length() -> None:
    """Hangs where a pattern's time grows with a power of the text."""
    for part in PARTS:
        matching.in_error((part[: len(part) - 1] + " ") * (400_000 // len(part)), DRIVER)
