"""How logs show the known causes, as data.

Each pattern is tried on single lines, cut to some 2,000 characters, that contain its `needle`. It has no
repetition inside another one, and each has a limit, so a hostile log costs time in proportion to its
size. The texts are those of Python 3.11, Spark 3.5-4.0, Hadoop 3.3-3.4, boto3 and EMRFS, as public logs and
real runs on emrbox show them (tests/unit/diagnosis/logs/).
"""

from __future__ import annotations

import re
from typing import NamedTuple

DRIVER, EXECUTOR = "driver", "executor"


class Sign(NamedTuple):
    """How a log shows a kind of known_causes.py.

    `headline` is filled in with the pattern's groups and with FACTS; a part in brackets is left out when
    something of it is unknown. `role`: only the log of the driver, or of an executor, shows it.
    """

    kind: str
    needle: str
    pattern: re.Pattern[str]
    headline: str
    role: str = ""


def _sign(kind: str, needle: str, pattern: str, headline: str = "{error}", role: str = "") -> Sign:
    return Sign(kind, needle, re.compile(pattern), headline, role)


_SIZE = r"[\d.]{1,12} \w{1,5}"
_BEYOND = (
    rf" is running .{{0,80}}beyond the '?\w{{1,20}}'? memory limit\. Current usage: "
    rf"(?P<used>{_SIZE}) of (?P<limit>{_SIZE})"
)
_HEAP = r"(?P<error>java\.lang\.OutOfMemoryError(?:: .{1,100})?)"
_ARN = r"arn:aws[\w:/.*@+=,-]{1,400}"
_DENIED = "access denied: {operation}[ on {resource}]"

# In the order in which they are tried: the more a sign says, the earlier.
SIGNS: tuple[Sign, ...] = (
    _sign(
        "result_size",
        "spark.driver.maxResultSize",
        rf"results of (?P<tasks>\d{{1,9}}) tasks \((?P<size>{_SIZE})\) is bigger than .{{0,40}}"
        rf"spark\.driver\.maxResultSize \((?P<limit>{_SIZE})\)",
        "the results of {tasks} tasks ({size}) are larger than spark.driver.maxResultSize ({limit})",
    ),
    _sign(
        "yarn_limit",
        "is above the max threshold",
        r"Required (?P<what>executor|AM) memory \((?P<size>\d{1,9}).{0,300}"
        r"is above the max threshold \((?P<limit>\d{1,9} ?MB)\)",
        "the {what} needs {size} MB and its overhead; YARN gives a container at most {limit}",
    ),
    _sign(
        "yarn_limit",
        "InvalidResourceRequestException",
        r"InvalidResourceRequestException: (?P<text>.{1,200})",
        "YARN refused the container that the job asked for: {text}",
    ),
    _sign(
        "driver_container_memory",
        "memory limit",
        rf"containerID=container_\w{{1,80}}_000001\]{_BEYOND}",
        "the driver ran out of memory: YARN killed its container, which used {used} of {limit}",
    ),
    _sign(
        "container_memory",
        "memory limit",
        rf"Container killed by YARN for exceeding .{{0,20}}memory limits\.\s{{0,3}}"
        rf"(?:(?P<used>{_SIZE}) of (?P<limit>{_SIZE}))?",
        "an executor ran out of memory: YARN killed its container[, which used {used} of {limit}]",
    ),
    _sign(
        "container_memory",
        "memory limit",
        _BEYOND,
        "an executor ran out of memory: YARN killed its container, which used {used} of {limit}",
    ),
    _sign(
        "executor_memory",
        "OutOfMemoryError",
        rf"(?:Lost task|ExecutorLostFailure).{{0,1000}}{_HEAP}",
        "an executor ran out of memory: {error}",
    ),
    _sign("executor_memory", "OutOfMemoryError", _HEAP, "an executor ran out of memory: {error}", EXECUTOR),
    _sign(
        "executor_memory",
        "MemoryError",
        r"^(?P<error>(?:numpy\.[\w.]{1,60})?MemoryError\b.{0,200})",
        "a Python worker of an executor ran out of memory: {error}",
        EXECUTOR,
    ),
    _sign(
        "executor_memory",
        "ExecutorLostFailure",
        r"ExecutorLostFailure \(executor (?P<id>\w{1,10}).{0,600}"
        r"Exit(?:ed with exit code| status:| code) 52\b",
        "executor {id} ran out of memory (exit status 52)",
    ),
    _sign("driver_memory", "OutOfMemoryError", _HEAP, "the driver ran out of memory: {error}", DRIVER),
    _sign(
        "driver_memory",
        "MemoryError",
        r"^(?P<error>(?:numpy\.[\w.]{1,60})?MemoryError\b.{0,200})",
        "the driver ran out of memory: {error}",
        DRIVER,
    ),
    _sign(
        "node_lost",
        "ExecutorLostFailure",
        r"ExecutorLostFailure \(executor (?P<id>\w{1,10}).{0,400}"
        r"(?:\*lost\* node|[Nn]ode (?:was )?lost|Exit status: -100\b|Worker lost|decommission)",
        "executor {id} was lost with its node",
    ),
    _sign(
        "executor_lost",
        "Max number of executor failures",
        r"Max number of executor failures \((?P<count>\d{1,9})\) reached",
        "{count} executors failed, the most that Spark accepts",
    ),
    _sign(
        "executor_lost",
        "ExecutorLostFailure",
        r"ExecutorLostFailure \(executor (?P<id>\w{1,10}).{0,400}Exit status: (?P<code>-?\d{1,5})",
        "executor {id} ended with exit status {code}",
    ),
    _sign(
        "missing_module",
        "No module named",
        r"(?P<error>(?:ModuleNotFoundError|ImportError): No module named '?[\w.]{1,200}'?)",
    ),
    _sign(
        "access_denied",
        "not authorized to perform",
        rf"(?P<principal>{_ARN}) is not authorized to perform: (?P<operation>[\w:*-]{{1,100}})"
        r"(?: on resource: \"?(?P<resource>[^\s\"]{1,600}))?",
        "access denied: {operation}[ on {resource}] for {principal}",
    ),
    _sign(
        "access_denied",
        "AccessDeniedException: s3",
        r"AccessDeniedException: (?P<resource>s3\S{1,600}): (?P<operation>[\w -]{1,60}) on ",
        _DENIED,
    ),
    _sign(
        "access_denied",
        "when calling the",
        r"An error occurred \((?:AccessDenied\w{0,20}|403|Forbidden|UnauthorizedOperation)\) "
        r"when calling the (?P<operation>\w{1,60}) operation",
        _DENIED,
    ),
    _sign(
        "access_denied",
        "Service: ",
        r"(?:Access ?Denied|Forbidden|FORBIDDEN).{0,20}\(Service: (?P<service>(?:Amazon )?\w{1,20})[,;] "
        r"Status Code: 403",
        "access denied by {service}[ on {resource}]",
    ),
    _sign(
        "no_credentials",
        "redentials",
        r"(?P<error>NoCredentialsError: .{0,200}|Unable to locate credentials"
        r"|NoAwsCredentialsException: .{0,200})",
    ),
    _sign(
        "no_bucket",
        "UnknownStoreException",
        r"UnknownStoreException: `?(?P<uri>s3[an]?://[\w.-]{1,200})",
        "the bucket of {uri} does not exist",
    ),
    _sign("no_bucket", "NoSuchBucket", r"NoSuchBucket", "an S3 bucket does not exist[: {resource}]"),
    _sign(
        "no_bucket",
        "ucket does not exist",
        r"[Bb]ucket does not exist",
        "an S3 bucket does not exist[: {resource}]",
    ),
    _sign(
        "no_path",
        "ath does not exist: ",
        r"[Pp]ath does not exist: (?P<uri>[^\s;]{1,600})",
        "the path {uri} does not exist",
    ),
    _sign(
        "no_path",
        "FileNotFoundException: ",
        r"FileNotFoundException: (?:No such file or directory: |File does not exist: |File )?"
        r"(?P<uri>[\w.+-]{0,10}:?/\S{1,600})",
        "the path {uri} does not exist",
    ),
    _sign("no_path", "NoSuchKey", r"NoSuchKey", "an S3 object does not exist[: {resource}]"),
    _sign(
        "no_path",
        "(404)",
        r"An error occurred \(404\) when calling the \w{1,60} operation",
        "an S3 object does not exist[: {resource}]",
    ),
    _sign(
        "no_path",
        "No such file or directory",
        r"(?P<error>(?:FileNotFoundError: |can't open file |cannot access |cannot open |cat: ).{1,300})",
    ),
    _sign(
        "output_exists",
        "already exists",
        r"(?:[Pp]ath|Output directory) (?P<uri>[^\s;]{1,600}) already exists",
        "the output {uri} exists already",
    ),
    _sign(
        "output_exists",
        "FileAlreadyExistsException",
        r"FileAlreadyExistsException: (?P<uri>[^\s;]{1,600})",
        "the output exists already: {uri}",
    ),
    _sign(
        "data_check",
        "check_data: ",
        r"^check_data: (?P<error>.{1,900} fails: .{1,1800})",
        "check_data: {error}",
    ),
    _sign(
        "disk_full",
        "No space left on device",
        r"(?P<error>(?:\w{1,40}: )?(?:\[Errno 28\] )?No space left on device.{0,100})",
    ),
    _sign(
        "login",
        "authentication failed",
        r"(?P<error>(?:password|peer|ident|Peer|SCRAM) authentication failed.{1,200})",
    ),
    _sign("login", "Access denied for user", r"(?P<error>Access denied for user .{1,200})"),
    _sign(
        "connection",
        "onnection",
        r"(?P<error>(?:connection to server at|Connection to) .{1,300}(?:failed|refused).{0,200})",
    ),
    _sign(
        "connection",
        "onn",
        r"(?P<error>(?:ConnectionRefusedError|java\.net\.ConnectException): .{1,300})",
    ),
    _sign("connection", "link failure", r"(?P<error>Communications link failure.{0,200})"),
    _sign("connection", "Unknown", r"(?P<error>java\.net\.UnknownHostException: .{1,200})"),
    _sign("connection", "ervice not known", r"(?P<error>socket\.gaierror: .{1,200})"),
    _sign(
        "syntax_error",
        "Error: ",
        r"^(?P<error>(?:SyntaxError|IndentationError|TabError): .{1,300})",
        "{error}[ ({file}, line {number})]",
    ),
    _sign(
        "bad_jar",
        "Zip",
        r"(?P<error>java\.util\.zip\.Zip(?:Exception|Error): .{1,200})",
        "a jar cannot be opened: {error}",
    ),
    _sign(
        "bad_jar",
        "jar",
        r"(?P<error>(?:Error opening job jar: |Invalid or corrupt jarfile ).{1,300})",
    ),
    _sign(
        "bad_jar",
        "main class ",
        r"(?P<error>(?:Cannot load|No|Failed to get) main class (?:from|set in|in) JAR.{0,200})",
    ),
    _sign(
        "missing_class",
        "Failed to load class",
        r"Failed to load class (?P<name>[\w.$]{1,300}\w)",
        "the class {name} is not in the jars",
    ),
    _sign(
        "missing_class",
        "ClassNotFoundException",
        r"ClassNotFoundException: (?P<name>[\w.$/]{1,300})",
        "ClassNotFoundException: the class {name} is not in the jars",
    ),
    _sign(
        "missing_class",
        "NoClassDefFoundError",
        r"NoClassDefFoundError: (?:Could not initialize class )?(?P<name>[\w.$/]{1,300})",
        "NoClassDefFoundError: the class {name} is not in the jars",
    ),
    _sign(
        "missing_class",
        "find data source",
        r"find data source: (?P<name>[\w.$/]{1,300}\w)",
        "the data source {name} is not in the jars",
    ),
    _sign(
        "command_not_found",
        "not found",
        r"^(?P<error>.{1,400}: (?:command )?not found)$",
    ),
    _sign(
        "command_not_found",
        "Cannot run program",
        r"Cannot run program \"(?P<name>[^\"]{1,200})\".{0,100}error=2,",
        "the command {name} was not found",
    ),
    _sign(
        "command_not_found",
        "failed to execute",
        r"failed to execute (?P<name>\S{1,200}): No such file",
        "the command {name} was not found",
    ),
)

# What a headline may also name: searched in the line that shows the cause, then before it.
FACTS: dict[str, re.Pattern[str]] = {
    "resource": re.compile(r"(?P<resource>s3[an]?://[^\s\"',;()\]]{1,600})"),
    "file": re.compile(r"File \"(?P<file>[^\"]{1,300})\", line (?P<number>\d{1,7})"),
}

# What the clients call an operation, and the permissions that it needs (docs/permissions.md; Hadoop's
# S3AFileSystem names its own operations).
PERMISSIONS: dict[str, str] = {
    "getFileStatus": "s3:GetObject or s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "open": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjects": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
}
