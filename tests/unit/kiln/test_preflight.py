from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from kiln import preflight
from kiln.errors import PreflightError
from kiln.settings.model import Driver, StepSettings

if TYPE_CHECKING:
    from pathlib import Path


def settings(**changes: str) -> Driver:
    return Driver(
        aws_region="us-east-1",
        kiln_state_uri="s3://state/kiln",
        kiln_environment="local",
        kiln_owner="ops",
        kiln_launch_timeout_seconds=1,
        kiln_step_timeout_seconds=1,
        kiln_run_timeout_seconds=1,
        kiln_terminate_timeout_seconds=1,
        kiln_poll_interval_seconds=1.0,
        steps=(StepSettings(name="sd", jar="j"),),
        **changes,
    )


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    commands = [
        ["git", "init", "-q", "-b", "main", tmp_path / "repo"],
        [
            *("git", "-C", tmp_path / "repo", "-c", "user.name=t", "-c", "user.email=t@example.com"),
            *("commit", "-q", "--allow-empty", "-m", "first"),
        ],
    ]
    for command in commands:
        subprocess.run(command, check=True)
    return tmp_path / "repo"


def test_a_branch_is_resolved_to_its_commit(remote: Path) -> None:
    head = subprocess.run(
        ["git", "-C", remote, "rev-parse", "main"], check=True, capture_output=True, text=True
    )
    found = preflight.check_branch(settings(model_repo_url=str(remote), model_repo_branch="main"))
    assert found == head.stdout.strip()


def test_a_missing_branch_is_said(remote: Path) -> None:
    with pytest.raises(PreflightError, match="no branch gone") as error:
        preflight.check_branch(settings(model_repo_url=str(remote), model_repo_branch="gone"))
    assert "model_repo_branch" in error.value.message


def test_a_remote_out_of_reach_is_said() -> None:
    with pytest.raises(PreflightError, match="/nowhere/repo"):
        preflight.check_branch(settings(model_repo_url="/nowhere/repo", model_repo_branch="main"))


def test_an_address_that_looks_like_an_option_is_no_option() -> None:
    with pytest.raises(PreflightError):
        preflight.check_branch(settings(model_repo_url="--upload-pack=touch x", model_repo_branch="main"))


def test_a_pipeline_without_model_repo_has_nothing_to_check() -> None:
    assert preflight.check_branch(settings()) is None


def test_a_lock_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"requirements/none\.txt"):
        preflight.check_requirements(tmp_path, settings(emr_node_python_requirements="requirements/none.txt"))
