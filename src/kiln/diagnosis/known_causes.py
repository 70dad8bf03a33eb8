"""The known causes as data: what each is called, what to change, and its class (kiln.failure_classes).

docs/known_causes.md is printed from this table. How logs show them is in signs.py.
"""

from __future__ import annotations

from typing import NamedTuple

from kiln.failure_classes import FailureClass

_MEMORY, _PERMISSION = FailureClass.OUT_OF_MEMORY, FailureClass.PERMISSION


class Kind(NamedTuple):
    """What a cause is called, and what to change (may be empty).

    `anywhere`: a line in any log of the step shows it; else only the error that ended the job does, because
    a job may handle the same error before. `is_vague`: a consequence, shown when no log has the reason.
    """

    meaning: str
    advice: str
    failure_class: FailureClass = FailureClass.USER_CODE
    anywhere: bool = False
    is_vague: bool = False


KINDS: dict[str, Kind] = {
    "result_size": Kind(
        "`collect()` or a broadcast brought more to the driver than it accepts",
        "write the result to S3 instead of collecting it, or raise spark.driver.maxResultSize "
        "and --driver-memory",
        _MEMORY,
        anywhere=True,
    ),
    "yarn_limit": Kind(
        "The job asked for a larger container than YARN gives on this cluster",
        "ask for less memory (memoryOverhead counts too), or use a larger emr_cluster_core_instance_type",
        anywhere=True,
    ),
    "driver_container_memory": Kind(
        "YARN killed the driver's container, which used more memory than it has",
        "raise spark.driver.memoryOverhead (Python counts there) or --driver-memory",
        _MEMORY,
        anywhere=True,
    ),
    "container_memory": Kind(
        "YARN killed an executor's container, which used more memory than it has",
        "raise spark.executor.memoryOverhead (Python workers and native libraries count there) "
        "or --executor-memory",
        _MEMORY,
        anywhere=True,
    ),
    "executor_memory": Kind(
        "An executor ran out of memory",
        "raise --executor-memory, or give each executor less to do: more partitions, fewer --executor-cores",
        _MEMORY,
        anywhere=True,
    ),
    "driver_memory": Kind(
        "The driver ran out of memory",
        "raise --driver-memory, or write large results to S3 instead of collecting them",
        _MEMORY,
        anywhere=True,
    ),
    "node_lost": Kind(
        "A node was lost with its executors",
        "run again; with spot instances: let emr_cluster_core_market be ON_DEMAND",
        anywhere=True,
    ),
    "executor_lost": Kind(
        "Executors were killed",
        "read the logs of their containers; exit status 137 and 143 are often a lack of memory",
        anywhere=True,
        is_vague=True,
    ),
    "disk_full": Kind(
        "A disk of a node is full",
        "raise emr_cluster_ebs_root_volume_size_gb, or use instance types with more storage",
        anywhere=True,
    ),
    "missing_module": Kind(
        "A Python module is not on the nodes",
        "add its package to the file that emr_node_python_requirements names and provision again; "
        "a module of the job itself: name it with --py-files",
    ),
    "missing_class": Kind(
        "A Java class or data source is not in the jars of the job",
        "check --class, that the jar is not damaged and contains the class, and --jars or --packages",
    ),
    "bad_jar": Kind(
        "A jar is damaged, or is none",
        "build and upload the jar again, and compare its size with the object in S3",
    ),
    "access_denied": Kind(
        "AWS refused access",
        "allow it in the policy of the cluster's instance profile (emr_cluster_instance_profile) and in the "
        "policies of the bucket and its KMS key; S3 answers this for a bucket of another account, too",
        _PERMISSION,
    ),
    "no_credentials": Kind(
        "A program on a node found no AWS credentials",
        "let emr_cluster_instance_profile name a profile with a role; keys do not belong on nodes",
        _PERMISSION,
    ),
    "no_bucket": Kind("An S3 bucket does not exist", "correct the bucket's name, or create the bucket"),
    "no_path": Kind(
        "An input or a script does not exist",
        "correct the path, or check that what writes it has run for this date",
    ),
    "output_exists": Kind(
        "The output exists already",
        "write below the run id, or let the job overwrite it (mode('overwrite'))",
    ),
    "data_check": Kind(
        "Data did not pass a step `check_data`",
        "correct what made the data and run that step again, or change the limits of check_data; the "
        "report is in the step's stdout",
    ),
    "login": Kind(
        "A database refused the user or the password",
        "check the user, and the secret in vault/<environment>.yml; deploy writes it to the nodes",
    ),
    "connection": Kind(
        "A server, such as a database, was not reached",
        "check its host, port and security group, which must admit the cluster's nodes",
    ),
    "syntax_error": Kind("A Python file has a syntax error", "correct the file and deploy again"),
    "command_not_found": Kind(
        "A command is not on the nodes",
        "correct the command, or add its package to emr_node_os_packages and provision again",
    ),
    "python_exception": Kind("The job raised a Python exception", ""),
    "java_exception": Kind("The job raised a Java exception", ""),
    "bootstrap_action": Kind(
        "A bootstrap action failed",
        "correct the script that emr_cluster_bootstrap_actions names",
    ),
    "killed": Kind(
        "A signal ended the process",
        "SIGKILL is often a lack of memory: raise --driver-memory, or use a larger instance type",
    ),
    "exit_code": Kind("The process chose its exit code itself", ""),
    "stopped": Kind(
        "The step did not fail by itself (deadline, cancelled), or runs: the last output is shown", ""
    ),
    "last_output": Kind("No log has an error: the last output is shown", ""),
    "no_log": Kind(
        "There is no log",
        "S3 gets logs every 5 minutes and at the end of the cluster: diagnose again then",
    ),
}


_HEAD = """# Known causes

Printed from `src/kiln/diagnosis/known_causes.py` by `python -m kiln.diagnosis.known_causes`; a test compares
the two. The kind stands in the JSON of `kiln run` and `kiln diagnose`. The class is that of
[failure_classes.md](failure_classes.md) and does not change the exit code of a failed step, which is 14.

| Kind | Meaning | What to change | Class |
|---|---|---|---|
"""


def markdown() -> str:
    """Return docs/known_causes.md."""
    rows = (
        f"| `{name}` | {kind.meaning} | {kind.advice or '—'} | `{kind.failure_class.value}` |\n"
        for name, kind in KINDS.items()
    )
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  # the document itself
