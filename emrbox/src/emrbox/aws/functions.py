"""Lambda functions: moto keeps code and settings, each invocation is a process of its own.

The process has the function's role's credentials, its variables and its code; its output goes to CloudWatch
Logs as Lambda writes it. It runs with the box's own Python, whatever runtime the function names, and nothing
limits its memory. Layers and images are not there.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.iam.models import iam_backends

from emrbox.aws import event_sources, function_runner
from emrbox.aws.auth import PARTITION, assume_role
from emrbox.aws.policies import trusts_service
from emrbox.config import REGION

LOG = logging.getLogger(__name__)
PRINCIPAL = "lambda.amazonaws.com"
EVENTS_PRINCIPAL = "events.amazonaws.com"
# Lambda retries an event twice when its function failed:
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
RETRIES_AFTER_SECONDS = (60.0, 120.0)
MAXIMUM_LOG_BYTES = 1_000_000


class FunctionError(Exception):
    """A function cannot be called."""


class Functions:
    """The account's functions. Events for one function are handled one after the other, in order."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._queues: dict[str, queue.Queue[Any]] = {}
        self._lock = threading.Lock()
        self.retries_after_seconds = RETRIES_AFTER_SECONDS

    def install(self) -> None:
        """Make moto's Invoke run functions here instead of in containers."""
        functions = self

        def invoke(function: Any, event: Any = None) -> tuple[str, bool, str]:
            return functions.invoke(function, event)

        LambdaFunction._invoke_lambda = invoke  # noqa: SLF001  # moto has no seam here
        event_sources.install(self.invoke)

    def send(self, arn: str, event: Any, rule_arn: str) -> None:
        """Invoke a function with a rule's event; returns at once. FunctionError if EventBridge may not."""
        function = self._function(arn)
        context = {"AWS:SourceArn": rule_arn, "AWS:SourceAccount": rule_arn.split(":")[4]}
        document = {"Statement": function.policy.statements}
        if not trusts_service(
            document, EVENTS_PRINCIPAL, "lambda:InvokeFunction", function.function_arn, context
        ):
            raise FunctionError(f"the function's policy does not let {EVENTS_PRINCIPAL} invoke it")
        with self._lock:
            waiting = self._queues.get(arn)
            if waiting is None:
                waiting = self._queues[arn] = queue.Queue()
                threading.Thread(target=self._work, args=(arn, waiting), name=arn, daemon=True).start()
        waiting.put(event)

    def _work(self, arn: str, waiting: queue.Queue[Any]) -> None:
        while True:
            event = waiting.get()
            try:
                self._handle(arn, event, attempt=0)
            except Exception:
                LOG.exception("function %s could not run", arn)

    def _handle(self, arn: str, event: Any, *, attempt: int) -> None:
        function = self._function(arn)
        _, failed, _ = self.invoke(function, event)
        retries = min([c.config.get("MaximumRetryAttempts", 2) for c in function.event_invoke_config] or [2])
        if failed and attempt < min(retries, len(self.retries_after_seconds)):
            later = threading.Timer(
                self.retries_after_seconds[attempt], self._handle, (arn, event), {"attempt": attempt + 1}
            )
            later.daemon = True
            later.start()

    def _function(self, arn: str) -> Any:
        function = lambda_backends[arn.split(":")[4]][REGION]._lambdas.get_arn(arn)  # noqa: SLF001  # moto's own way
        if function is None:
            raise FunctionError("there is no such function")
        return function

    def invoke(self, function: Any, event: Any) -> tuple[str, bool, str]:
        """Run the handler and wait. Returns its answer as JSON, whether it failed, and its log."""
        request_id = str(uuid.uuid4())
        function.logs_backend.ensure_log_group(function.logs_group_name)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="emrbox-function-") as folder:
            try:
                answer, failed, output = self._run(function, event, Path(folder), request_id)
            except FunctionError as problem:
                answer, failed = json.dumps({"errorMessage": str(problem), "errorType": "Runtime"}), True
                output = f"{problem}\n"
        milliseconds = (time.monotonic() - started) * 1000
        log = (
            f"START RequestId: {request_id} Version: {function.version}\n{output}"
            f"END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Memory Size: {function.memory_size} MB\n"
        )
        function.save_logs(log)
        return answer, failed, log

    def _run(self, function: Any, event: Any, folder: Path, request_id: str) -> tuple[str, bool, str]:
        code, result = folder / "code", folder / "result.json"
        code.mkdir()
        _unpack(function, code)
        log_path = folder / "log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, function_runner.__file__, str(code), str(result)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=code,
                env=self._environment(function, request_id),
                start_new_session=True,
            )
            timed_out = False
            try:
                process.communicate(json.dumps(event).encode(), timeout=function.timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
            _end_group(process)
        output = log_path.read_bytes()[:MAXIMUM_LOG_BYTES].decode(errors="replace")
        output += "" if not output or output.endswith("\n") else "\n"
        if timed_out:
            message = f"{request_id} Task timed out after {function.timeout:.2f} seconds"
            return json.dumps({"errorMessage": message}), True, f"{output}{message}\n"
        if not result.exists():
            message = f"RequestId: {request_id} Error: Runtime exited with error: {process.returncode}"
            return json.dumps({"errorMessage": message, "errorType": "Runtime.ExitError"}), True, output
        return result.read_text(), process.returncode != 0, output

    def _environment(self, function: Any, request_id: str) -> dict[str, str]:
        role = iam_backends[function.role.split(":")[4]][PARTITION].get_role_by_arn(function.role)
        trust = json.loads(role.assume_role_policy_document)
        if not trusts_service(trust, PRINCIPAL, "sts:AssumeRole", "*", {}):
            raise FunctionError("The role defined for the function cannot be assumed by Lambda.")
        credentials = assume_role(function.role, function.function_name)
        today = datetime.now(UTC).strftime("%Y/%m/%d")
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": "/tmp",  # noqa: S108  # as in Lambda
            "TZ": ":UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_SESSION_TOKEN": credentials.session_token,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{today}/[{function.version}]{request_id.replace('-', '')}",
            "_HANDLER": function.handler,
            "_EMRBOX_FUNCTION_ARN": function.function_arn,
            "_EMRBOX_REQUEST_ID": request_id,
            "_EMRBOX_TIMEOUT_SECONDS": str(function.timeout),
            **{name: str(value) for name, value in function.environment_vars.items()},
        }


def _unpack(function: Any, folder: Path) -> None:
    if not str(function.run_time or "").startswith("python"):
        raise FunctionError(f"emrbox runs Python functions only, not {function.run_time}")
    try:
        with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile:
        raise FunctionError("the function's code is not a zip archive") from None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Remove the processes and files of an invocation, whether it ended or not."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
