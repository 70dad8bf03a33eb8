"""Runs a function's handler once, in a process of its own: `python function_runner.py FOLDER RESULT`.

FOLDER holds the function's code; the event comes on stdin; what the handler returns goes to the file RESULT
as JSON, or its exception as Lambda words it, with exit code 1. Standard library only: nothing of emrbox is in
the handler's way.
"""

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path


class Context:
    """The context object that Lambda passes to a handler."""

    def __init__(self) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = os.environ["_EMRBOX_FUNCTION_ARN"]
        self.aws_request_id = os.environ["_EMRBOX_REQUEST_ID"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + float(os.environ["_EMRBOX_TIMEOUT_SECONDS"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def main() -> int:
    """Run the handler. Returns the exit code."""
    folder, result = sys.argv[1:]
    sys.path[0] = folder
    context = Context()
    code = 0
    try:
        event = json.load(sys.stdin)
        module, _, name = os.environ["_HANDLER"].rpartition(".")
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
        answer = json.dumps(handler(event, context))
    except BaseException as problem:  # noqa: BLE001  # SystemExit too is the function's answer
        traceback.print_exc()
        trace = traceback.format_tb(problem.__traceback__)
        answer = json.dumps(
            {"errorMessage": str(problem), "errorType": type(problem).__name__, "stackTrace": trace}
        )
        code = 1
    Path(result).write_text(answer)
    return code


if __name__ == "__main__":
    sys.exit(main())
