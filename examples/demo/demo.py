"""`make demo`: the whole job for real on this machine, and a summary that people like to read.

Makes the local account (local.py), and then does what a team does: `kiln run model_building --env local`.
After that it measures what came out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import summary
from account import BUCKETS, CHECKOUT, LOCAL
from local import KILN, PIPELINE, PYTHON, SetupError, add_options, make_local_account

if TYPE_CHECKING:
    from pathlib import Path

    import boto3


def run_pipeline(date: str) -> tuple[int, dict[str, Any]]:
    """Run the pipeline as a person would; return its exit code and its JSON result."""
    command: list[str | Path] = [KILN, "run", PIPELINE, "--env", "local", "--date", date]
    print(
        f"demo: {' '.join(str(word) for word in ['scripts/kiln', *command[1:]])}", file=sys.stderr, flush=True
    )
    # Kiln knows the account from its own settings: nothing of the administrator's may reach it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        output, _ = child.communicate()
    except KeyboardInterrupt:
        # The terminal has sent the same Ctrl-C to Kiln, which now ends the cluster: let it.
        output, _ = child.communicate()
    return child.returncode, dict(json.loads(output)) if output else {}


def evaluate(session: boto3.Session, folder: Path, run_id: str) -> dict[str, Any]:
    """Fetch the outputs and measure them against what was planted."""
    local = LOCAL / "outputs" / run_id
    bucket = session.resource("s3").Bucket(BUCKETS["data_bucket"])
    prefix = f"models/{run_id}/"
    for item in bucket.objects.filter(Prefix=prefix):
        target = local / item.key.removeprefix(prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        bucket.download_file(item.key, str(target))
    printed = subprocess.run(
        [
            *(PYTHON, CHECKOUT / "examples/telemetry/evaluate.py"),
            *("--truth", folder / "truth", "--outputs", local, "-o", "json"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(json.loads(printed))


def main() -> int:
    """Run the demo; return the exit code of the pipeline, or 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    arguments = parser.parse_args()
    timings: dict[str, float] = {}
    started = time.monotonic()
    try:
        session, folder = make_local_account(arguments.messages, arguments.seed, arguments.date, timings)
        code, result = run_pipeline(arguments.date)
        if code:
            print(f"demo: the pipeline ended with exit code {code}; its output is above", file=sys.stderr)
            return code
        quality = evaluate(session, folder, result["run_id"])
    except SetupError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(
            f"demo: {' '.join(map(str, error.cmd))} ended with exit code {error.returncode}", file=sys.stderr
        )
        return 1
    summary.show(session, result, quality, timings, time.monotonic() - started)
    return 0


if __name__ == "__main__":
    os.chdir(CHECKOUT)
    sys.exit(main())
