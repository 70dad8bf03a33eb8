from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from kiln.errors import KilnError, PreflightError, UsageError
from kiln.runs import preflight, selection
from kiln.settings import resolve
from kiln.settings.model import Driver, StepSettings

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeAws


def settings(**changes: Any) -> Driver:
    changes.setdefault("kiln_cache_dir", "/nowhere/cache")
    changes.setdefault("model_repo_name", "model_repo")
    return Driver(
        ds="2026-11-20",
        aws_region="us-east-1",
        kiln_state_uri="s3://state/kiln",
        kiln_environment="local",
        kiln_owner="ops",
        kiln_launch_timeout_seconds=1,
        kiln_step_timeout_seconds=1,
        kiln_run_timeout_seconds=1,
        kiln_terminate_timeout_seconds=1,
        kiln_poll_interval_seconds=1.0,
        **{"steps": (StepSettings(name="sd", jar="j"),)} | changes,
    )


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    commands: list[list[str | Path]] = [
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


def test_only_the_branch_itself_counts(remote: Path) -> None:
    subprocess.run(["git", "-C", remote, "branch", "feature/nightly"], check=True)
    subprocess.run(["git", "-C", remote, "tag", "v1"], check=True)
    for name in ("nightly", "v1"):
        with pytest.raises(PreflightError, match=f"no branch {name}"):
            preflight.check_branch(settings(model_repo_url=str(remote), model_repo_branch=name))


def test_a_remote_out_of_reach_is_said() -> None:
    with pytest.raises(PreflightError, match="/nowhere/repo"):
        preflight.check_branch(settings(model_repo_url="/nowhere/repo", model_repo_branch="main"))


def test_an_address_that_looks_like_an_option_is_no_option() -> None:
    with pytest.raises(UsageError, match="model_repo_url"):
        preflight.check_branch(settings(model_repo_url="--upload-pack=touch x", model_repo_branch="main"))


def test_a_model_repo_whose_name_is_no_folder_is_refused(remote: Path) -> None:
    with pytest.raises(UsageError, match="model_repo_name"):
        preflight.check_branch(
            settings(model_repo_url=str(remote), model_repo_branch="main", model_repo_name="../x")
        )


def test_a_pipeline_without_model_repo_has_nothing_to_check() -> None:
    assert preflight.check_branch(settings()) is None


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


def refused_key(root: Path, name: str) -> str:
    with pytest.raises(PreflightError, match="emr_cluster_private_key_file") as error:
        preflight.check_private_key(root, settings(emr_cluster_private_key_file=name))
    return error.value.message


def test_a_key_that_ssh_can_use_passes(tmp_path: Path, key: Path) -> None:
    preflight.check_private_key(tmp_path, settings(emr_cluster_private_key_file=key.name))
    preflight.check_private_key(tmp_path, settings())


def test_a_key_that_ssh_cannot_use_is_said(tmp_path: Path, key: Path) -> None:
    assert "No such file" in refused_key(tmp_path, "gone")
    assert "no private key" in refused_key(tmp_path, f"{key.name}.pub")
    key.chmod(0o644)
    assert "others may read" in refused_key(tmp_path, key.name)


def test_a_cache_is_made_and_one_that_cannot_be_is_said(tmp_path: Path) -> None:
    wanted = {"model_repo_url": "/repo"}
    preflight.check_cache(settings(kiln_cache_dir=str(tmp_path / "a/b"), **wanted))
    (tmp_path / "file").touch()
    with pytest.raises(PreflightError, match="kiln_cache_dir"):
        preflight.check_cache(settings(kiln_cache_dir=str(tmp_path / "file/cache"), **wanted))
    preflight.check_cache(settings(kiln_cache_dir=str(tmp_path / "file/cache")))


def test_a_bucket_for_the_ledgers_that_refuses_is_said(aws: FakeAws) -> None:
    preflight.check_state(aws, settings(), "local")
    aws.every_call = "refused"
    with pytest.raises(PreflightError, match="kiln_state_uri"):
        preflight.check_state(aws, settings(), "local")


@pytest.mark.parametrize(("fault", "code"), [("lost_before", 10), ("throttled", 19), ("refused", 10)])
def test_an_aws_that_fails_before_a_launch_is_no_fault_in_kiln(aws: FakeAws, fault: str, code: int) -> None:
    aws.every_call = fault
    with pytest.raises(KilnError) as error:
        preflight.check_state(aws, settings(), "local")
    assert int(error.value.exit_code) == code
    with pytest.raises(KilnError) as error:
        preflight.check_account(aws)
    assert int(error.value.exit_code) == code


def made_checks(
    monkeypatch: pytest.MonkeyPatch, aws: FakeAws, root: Path, actions: list[str], **changes: Any
) -> set[str]:
    """Return the names of the checks that were made for a list of actions."""
    made: set[str] = set()
    for name in (
        "check_cache",
        "check_private_key",
        "check_branch",
        "check_vault",
        "check_account",
        "check_state",
    ):
        monkeypatch.setattr(preflight, name, lambda *_, name=name: made.add(name))
    driver = settings(**changes)
    question = resolve.Question(root=root, environment="local", pipeline="model_building")
    subject = preflight.Subject(question=question, driver=driver, effects=aws)
    preflight.check(subject, selection.make(actions, driver.steps))
    return made


ALWAYS = {"check_account", "check_state"}


@pytest.mark.parametrize(
    ("actions", "checks"),
    [
        (["launch"], {"check_branch"}),
        (["provision"], {"check_cache", "check_private_key"}),
        (["deploy"], {"check_branch", "check_cache", "check_private_key", "check_vault"}),
        (["sd"], set()),
        (["sd", "terminate"], set()),
        ([], {"check_branch", "check_cache", "check_private_key", "check_vault"}),
    ],
)
def test_a_run_is_checked_for_what_its_phases_need(
    monkeypatch: pytest.MonkeyPatch, aws: FakeAws, tmp_path: Path, actions: list[str], checks: set[str]
) -> None:
    assert made_checks(monkeypatch, aws, tmp_path, actions) == ALWAYS | checks


def test_a_run_without_model_repo_environment_and_secrets_passes_without_git_cache_and_vault(
    aws: FakeAws, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    driver = settings(kiln_cache_dir=str(tmp_path / "file/cache"), model_repo_name="", steps=())
    question = resolve.Question(root=tmp_path, environment="local", pipeline="model_building")
    subject = preflight.Subject(question=question, driver=driver, effects=aws)
    preflight.check(subject, selection.make([], driver.steps))
