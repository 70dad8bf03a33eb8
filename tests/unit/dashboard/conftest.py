"""Voila's page of examples/dashboard as the data-science instance runs it, by processes of this machine."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import account
import pytest
import study_tables
import urllib3
import yaml
from chromium import Chromium
from endpoint import empty_moto, emr, endpoint
from waiting import HANG_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["empty_moto", "emr", "endpoint"]  # fixtures

CHECKOUT = Path(__file__).parents[3]
ROLE = CHECKOUT / "roles/data_science_node"
PYTHON = CHECKOUT / ".venvs/data_science/bin/python"
BUCKET = account.BUCKETS["data_bucket"]
DATABASE = "kiln_local"


class Study:
    """Tables on emrbox's Athena, and what a notebook of the instance has: its role's rights and variables."""

    def __init__(self, endpoint: Any, folder: Path) -> None:
        assert PYTHON.exists(), "Voila is not installed: scripts/setup --tests"
        self.endpoint, self.folder, self.files = endpoint, folder, folder / "files"
        for bucket in account.BUCKETS.values():
            endpoint.client("s3").create_bucket(Bucket=bucket)
        study_tables.write(self.files)
        study_tables.put(endpoint, self.files, BUCKET, DATABASE)
        iam = endpoint.client("iam")
        iam.create_user(UserName="notebooks")
        document = account.policy("data_science_profile", self._values())
        iam.put_user_policy(UserName="notebooks", PolicyName="kiln", PolicyDocument=document)
        key = iam.create_access_key(UserName="notebooks")["AccessKey"]
        home = folder / "home"
        home.mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_ENDPOINT_URL": endpoint.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ATHENA_WORK_GROUP": "primary",
            "AWS_ATHENA_S3_STAGING_DIR": f"s3://{BUCKET}/athena_results/",
            "KILN_DATABASE": DATABASE,
        }

    def _values(self) -> dict[str, str]:
        return {
            **account.BUCKETS,
            "account_id": "123456789012",
            "region": "us-east-1",
            "environment": account.ENVIRONMENT,
            "state_prefix": account.STATE_PREFIX,
            "data_science_workgroup": account.DATA_SCIENCE_WORKGROUP,
        }

    def run(self, program: str) -> str:
        """Run Python beside the dashboard's modules; return what it prints."""
        done = subprocess.run(
            [PYTHON, "-c", program],
            cwd=CHECKOUT / "examples/dashboard",
            env=self.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Page:
    """The service of roles/data_science_node on a free port."""

    def __init__(self, study: Study) -> None:
        self.study, self.token = study, secrets.token_hex(32)
        folder = study.folder / "notebooks"
        shutil.copytree(ROLE / "files", folder)
        (folder / "dashboard").mkdir()
        for file in (CHECKOUT / "examples/dashboard").iterdir():
            if file.suffix in {".ipynb", ".py"}:
                shutil.copy(file, folder / "dashboard")
        (folder / "token").write_text(self.token)
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            self.port = int(trial.getsockname()[1])
        services = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__data_science_node_services"]
        command = services[1]["command"].replace("{{ __data_science_node_folder }}", str(folder))
        self.log = study.folder / "voila.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PYTHON, "-m", *command.replace("8866", str(self.port)).split()],
                env=study.environment
                | {"JUPYTER_PATH": str(folder), "JUPYTER_TOKEN_FILE": str(folder / "token")},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(urllib3.exceptions.NewConnectionError):
            return self.get("/")[0] == 302
        return False

    def url(self, token: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/" + (f"?token={token}" if token else "")

    def get(self, path: str, address: str = "127.0.0.1", **headers: str) -> tuple[int, str]:
        """Return status and body of an answer, redirects not followed."""
        answer = urllib3.request(
            "GET",
            f"http://{address}:{self.port}{path}",
            headers=headers,
            redirect=False,
            retries=False,
            timeout=HANG_SECONDS,
        )
        return answer.status, answer.data.decode()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def study(endpoint: Any, tmp_path: Path) -> Study:
    return Study(endpoint, tmp_path)


@pytest.fixture
def page(study: Study) -> Iterator[Page]:
    started = Page(study)
    yield started
    started.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    started = Chromium(tmp_path / "profile")
    yield started
    started.close()
