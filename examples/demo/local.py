"""`make local`: the local account without a run, so that somebody can go on by hand at once.

Starts the local AWS and makes in it what a team has: the account (account.py), telemetry in S3, the vault and
the database (database.py). `make demo` does the same and then runs the pipeline. Safe to run again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from account import BUCKETS, CHECKOUT, LOCAL, make_account
from database import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3

PYTHON = CHECKOUT / ".venv/bin/python"
EMRBOX = CHECKOUT / ".venv/bin/emrbox"
KILN = CHECKOUT / "scripts/kiln"
PROGRAM = Path(sys.argv[0]).stem

PIPELINE = "model_building"


class SetupError(Exception):
    """The local account could not be made; the message says what failed, and where to look."""


@contextmanager
def phase(name: str, timings: dict[str, float]) -> Iterator[None]:
    """Print a phase and record how many seconds it took."""
    print(f"{PROGRAM}: {name} …", file=sys.stderr, flush=True)
    started = time.monotonic()
    yield
    timings[name] = time.monotonic() - started
    print(f"{PROGRAM}: {name}: {timings[name]:.1f} s", file=sys.stderr, flush=True)


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
    """Run a command of the set-up; its output is shown only when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SetupError(f"{command[1]} failed:\n{done.stdout}")


def upload(session: boto3.Session, folder: Path, bucket: str, prefix: str) -> None:
    """Copy the messages, and nothing of the truth, to S3."""
    s3 = session.client("s3")
    for file in sorted((folder / "messages").rglob("*.parquet")):
        s3.upload_file(str(file), bucket, f"{prefix}/{file.relative_to(folder)}")


def make_local_account(
    messages: int, seed: int, date: str, timings: dict[str, float]
) -> tuple[boto3.Session, Path]:
    """Start the local AWS and make in it what a team has there before its first run.

    A second time changes nothing. `timings` gets the seconds of each part. Raises SetupError.
    """
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
            raise SetupError(f"the database could not be made ({log}):\n{tail}") from error
    return session, folder


def next_commands(date: str) -> str:
    """Return what somebody can type now."""
    by_hand = f"ansible-playbook -i inventory/local -e pipeline={PIPELINE} playbooks"
    return f"""\
The local account is ready; `make down` ends it with all that runs in it. Go on in {CHECKOUT}.

The whole pipeline:
  scripts/kiln run {PIPELINE} --env local --date {date}
Playbook by playbook:
  export PATH="$PWD/.venv/bin:$PATH"
  {by_hand}/launch.yml
  {by_hand}/provision.yml
  {by_hand}/deploy.yml --vault-password-file .kiln/vault/local.password
  {by_hand}/run_steps.yml -e ds={date}
  {by_hand}/terminate.yml
To inspect it:
  ansible-inventory -i inventory/local --graph
  eval "$(.venv/bin/emrbox env)"; .venvs/awscli/bin/aws emr list-clusters --active"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which telemetry is generated."""
    parser.add_argument("--messages", type=int, default=200_000, help="how many messages the telemetry has")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--date", default="2026-11-20", help="the data's date")


def main() -> int:
    """Make the local account and print what can be typed next; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    arguments = parser.parse_args()
    try:
        make_local_account(arguments.messages, arguments.seed, arguments.date, {})
    except SetupError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(f"{PROGRAM}: {command} ended with exit code {error.returncode}", file=sys.stderr)
        return 1
    print(next_commands(arguments.date))
    return 0


if __name__ == "__main__":
    os.chdir(CHECKOUT)
    sys.exit(main())
