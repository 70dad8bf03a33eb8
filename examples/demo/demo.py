"""`make demo`: the whole job for real on this machine, and a summary that people like to read.

Starts the local AWS, makes in it what a team has (account.py, database.py, telemetry in S3), and then does
what a team does: `kiln run model_building --env local`. Everything after that is looking at what came out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import summary
from account import BUCKETS, CHECKOUT, LOCAL, make_account
from database import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import boto3

PYTHON = CHECKOUT / ".venv/bin/python"
EMRBOX = CHECKOUT / ".venv/bin/emrbox"
KILN = CHECKOUT / "scripts/kiln"


class DemoError(Exception):
    """Something of the demo did not work; its message says what, and where to look."""


@contextmanager
def phase(name: str, timings: dict[str, float]) -> Iterator[None]:
    """Print a phase and record how many seconds it took."""
    print(f"demo: {name} …", file=sys.stderr, flush=True)
    started = time.monotonic()
    yield
    timings[name] = time.monotonic() - started
    print(f"demo: {name}: {timings[name]:.1f} s", file=sys.stderr, flush=True)


def generate_telemetry(messages: int, seed: int, date: str) -> Path:
    """Return the folder of the telemetry with that seed; it is generated once."""
    folder = LOCAL / "telemetry" / f"{messages}-{seed}-{date}"
    if folder.exists():
        return folder
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    run(
        PYTHON,
        CHECKOUT / "examples/telemetry/generate.py",
        *("--messages", messages, "--seed", seed, "--date", date, "--out", unfinished),
    )
    unfinished.rename(folder)
    return folder


def run(*command: str | Path | int) -> None:
    """Run a command of the demo; its output is shown only when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise DemoError(f"{command[1]} failed:\n{done.stdout}")


def upload(session: boto3.Session, folder: Path, bucket: str, prefix: str) -> None:
    """Copy the messages, and nothing of the truth, to S3."""
    s3 = session.client("s3")
    for file in sorted((folder / "messages").rglob("*.parquet")):
        s3.upload_file(str(file), bucket, f"{prefix}/{file.relative_to(folder)}")


def make_world(messages: int, seed: int, date: str, timings: dict[str, float]) -> tuple[boto3.Session, Path]:
    """Start the local AWS and make in it what a team has there before its first run."""
    with phase("start the local AWS", timings):
        subprocess.run([EMRBOX, "up"], check=True, stdout=sys.stderr)
    with phase("account, telemetry, vault", timings), ThreadPoolExecutor() as pool:
        telemetry = pool.submit(generate_telemetry, messages, seed, date)
        vault = pool.submit(run, KILN, "vault", "init", "--env", "local")
        session = make_account()
        folder = telemetry.result()
        vault.result()
        upload(session, folder, BUCKETS["data_bucket"], "telemetry")
    with phase("the team's PostgreSQL", timings):
        log = LOCAL / "database.log"
        try:
            make_database(session, folder / "organisations.sql", log)
        except subprocess.CalledProcessError as error:
            tail = "\n".join(log.read_text().splitlines()[-15:])
            raise DemoError(f"the database could not be made ({log}):\n{tail}") from error
    return session, folder


def run_pipeline(date: str) -> tuple[int, dict[str, Any]]:
    """Run the pipeline as a person would; return its exit code and its JSON result."""
    command: list[str | Path] = [KILN, "run", "model_building", "--env", "local", "--date", date]
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
    parser.add_argument("--messages", type=int, default=200_000, help="how many messages the telemetry has")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--date", default="2026-11-20", help="the data's date")
    arguments = parser.parse_args()
    timings: dict[str, float] = {}
    started = time.monotonic()
    try:
        session, folder = make_world(arguments.messages, arguments.seed, arguments.date, timings)
        code, result = run_pipeline(arguments.date)
        if code:
            print(
                f"demo: the pipeline ended with exit code {code}; what it said stands above", file=sys.stderr
            )
            return code
        quality = evaluate(session, folder, result["run_id"])
    except DemoError as error:
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
