from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import driver, shape

from kiln.errors import KilnError, PreflightError, UsageError
from kiln.model_repo import commits
from kiln.nodes import os_repositories
from kiln.runs import model_repo_checks, preflight, selection
from kiln.settings import vault
from kiln.settings.ansible_values import Question
from kiln.settings.model import Driver, StepSettings

if TYPE_CHECKING:
    from fakes import FakeAws

    from kiln.model_repo.git_remote import Remote


def settings(**changes: Any) -> Driver:
    changes.setdefault("kiln_cache_dir", "/nowhere/cache")
    changes.setdefault("model_repo_name", "model_repo")
    changes.setdefault("model_repo_protocols", ("file",))
    return driver(**{"steps": (StepSettings(name="sd", jar="j"),)} | changes)


def check_version(driver: Driver) -> str | None:
    return model_repo_checks.check_version(Path("/nowhere"), driver)


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
    found = check_version(settings(model_repo_url=str(remote), model_repo_branch="main"))
    assert found == head.stdout.strip()


def test_a_missing_branch_is_said(remote: Path) -> None:
    with pytest.raises(PreflightError, match="no branch gone") as error:
        check_version(settings(model_repo_url=str(remote), model_repo_branch="gone"))
    assert "model_repo_branch" in error.value.message


def test_only_the_branch_itself_counts(remote: Path) -> None:
    subprocess.run(["git", "-C", remote, "branch", "feature/nightly"], check=True)
    subprocess.run(["git", "-C", remote, "tag", "v1"], check=True)
    for name in ("nightly", "v1"):
        with pytest.raises(PreflightError, match=f"no branch {name}"):
            check_version(settings(model_repo_url=str(remote), model_repo_branch=name))


def test_a_remote_out_of_reach_is_said() -> None:
    with pytest.raises(PreflightError, match="/nowhere/repo"):
        check_version(settings(model_repo_url="/nowhere/repo", model_repo_branch="main"))


def test_an_address_that_looks_like_an_option_is_no_option() -> None:
    with pytest.raises(UsageError, match="model_repo_url"):
        check_version(settings(model_repo_url="--upload-pack=touch x", model_repo_branch="main"))


def test_a_model_repo_whose_name_is_no_folder_is_refused(remote: Path) -> None:
    with pytest.raises(UsageError, match="model_repo_name"):
        check_version(settings(model_repo_url=str(remote), model_repo_branch="main", model_repo_name="../x"))


def test_files_that_lie_in_another_repository_are_refused_before_a_launch(
    remote: Path, tmp_path: Path
) -> None:
    driver = settings(
        model_repo_url=str(remote), model_repo_branch="main", kiln_cache_dir=str(tmp_path / "cache")
    )
    model_repo_checks.check_archive(tmp_path, driver)
    assert list((tmp_path / "cache/models").glob("model_repo-*.tar"))
    link = ["update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},libs"]
    author = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (link, [*author, "commit", "-q", "-m", "link"]):
        subprocess.run(["git", "-C", remote, *command], check=True)
    with pytest.raises(UsageError, match="has a submodule, libs"):
        model_repo_checks.check_archive(tmp_path, driver)


def test_a_deploy_key_is_read_from_the_vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before a launch, and no message shows it."""
    asked: list[Remote] = []
    monkeypatch.setattr(commits, "resolve", lambda remote, _: asked.append(remote))
    monkeypatch.setattr(vault, "read", lambda *_: {"vault_key": "canary-key", "vault_number": 7})
    ssh: dict[str, Any] = {
        "model_repo_url": "git@git.example.com:team/repo.git",
        "model_repo_branch": "main",
        "model_repo_protocols": ("ssh",),
    }
    model_repo_checks.check_version(tmp_path, settings(model_repo_deploy_key="vault_key", **ssh))
    assert [remote.deploy_key for remote in asked] == ["canary-key"]
    for name in ("vault_other", "vault_number"):
        with pytest.raises(PreflightError, match=f"vault/local.yml has no text {name}") as error:
            model_repo_checks.check_version(tmp_path, settings(model_repo_deploy_key=name, **ssh))
        assert "ansible-vault edit" in error.value.fix
    with pytest.raises(UsageError, match="model_repo_deploy_key") as refused:
        model_repo_checks.check_version(tmp_path, settings(model_repo_deploy_key="canary-key", **ssh))
    assert "canary" not in refused.value.message + refused.value.fix


def test_a_pipeline_without_model_repo_has_nothing_to_check() -> None:
    assert check_version(settings()) is None


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
    places = {
        preflight: ("check_cache", "check_private_key", "check_vault", "check_account", "check_state"),
        model_repo_checks: ("check_version", "check_archive"),
    }
    for module, checks in places.items():
        for name in checks:
            monkeypatch.setattr(module, name, lambda *_, name=name: made.add(name))
    driver = settings(**changes)
    question = Question(root=root, environment="local", pipeline="model_building")
    subject = preflight.Subject(question=question, driver=driver, shape=shape(), effects=aws)
    preflight.check(subject, selection.make(actions, driver.steps))
    return made


ALWAYS = {"check_account", "check_state"}
DEPLOYS = {"check_version", "check_archive", "check_cache", "check_private_key", "check_vault"}


@pytest.mark.parametrize(
    ("actions", "checks"),
    [
        (["launch"], {"check_version"}),
        (["provision"], {"check_cache", "check_private_key"}),
        (["deploy"], DEPLOYS),
        (["sd"], set()),
        (["sd", "terminate"], set()),
        ([], DEPLOYS),
    ],
)
def test_a_run_is_checked_for_what_its_phases_need(
    monkeypatch: pytest.MonkeyPatch, aws: FakeAws, tmp_path: Path, actions: list[str], checks: set[str]
) -> None:
    assert made_checks(monkeypatch, aws, tmp_path, actions) == ALWAYS | checks


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_repo_url": "ext::sh"}, "model_repo_url is 'ext::sh': no address of a git remote"),
        ({"model_repo_url": "git@h:x", "model_repo_host_keys": ("x",)}, "model_repo_host_keys[0] is x: no"),
    ],
)
def test_a_setting_that_is_refused_is_named_with_its_file(
    aws: FakeAws, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/model_building.yml").write_text(
        f"{said.split(maxsplit=1)[0].partition('[')[0]}: x\n"
    )
    driver = settings(model_repo_branch="main", model_repo_protocols=("ssh",), **changes)
    question = Question(root=tmp_path, environment="local", pipeline="model_building")
    subject = preflight.Subject(question=question, driver=driver, shape=shape(), effects=aws)
    with pytest.raises(UsageError) as error:
        preflight.check(subject, selection.make(["launch"], driver.steps))
    assert error.value.message.startswith(f"group_vars/model_building.yml:1: {said}")
    assert error.value.fix


def test_a_run_without_model_repo_environment_and_secrets_passes_without_git_cache_and_vault(
    aws: FakeAws, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    driver = settings(kiln_cache_dir=str(tmp_path / "file/cache"), model_repo_name="", steps=())
    question = Question(root=tmp_path, environment="local", pipeline="model_building")
    subject = preflight.Subject(question=question, driver=driver, shape=shape(), effects=aws)
    preflight.check(subject, selection.make([], driver.steps))


def test_each_unknown_os_package_is_named_with_its_line(
    aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "group_vars").mkdir()
    packages = ("jq", "jqq", "yqq")
    text = "emr_node_os_packages:\n" + "".join(f"  - {one}\n" for one in packages)
    (tmp_path / "group_vars/model_building.yml").write_text(text)
    (tmp_path / "list.gz").write_bytes(gzip.compress(b"<metadata/>"))
    monkeypatch.setattr(os_repositories, "_list_of", lambda *_: tmp_path / "list.gz")
    driver = settings(
        kiln_cache_dir=str(tmp_path), emr_node_os_packages=packages, emr_node_os_repositories=("http://r/",)
    )
    question = Question(root=tmp_path, environment="local", pipeline="model_building")
    subject = preflight.Subject(question=question, driver=driver, shape=shape(), effects=aws)
    with pytest.raises(UsageError) as error:
        preflight.check(subject, selection.make(["provision"], driver.steps))
    said = [error.value.message, *error.value.details]
    places = [
        f"group_vars/model_building.yml:{number + 2}: emr_node_os_packages[{number}] is"
        for number in range(3)
    ]
    assert [line.startswith(place) for line, place in zip(said, places, strict=True)] == [True] * 3


def test_os_packages_are_looked_up_only_where_a_repository_is_named() -> None:
    packages = ("jq",)
    preflight.check_packages(settings(emr_node_os_packages=packages))
    nowhere = ("http://127.0.0.1:9/",)
    preflight.check_packages(settings(emr_node_os_repositories=nowhere))
    with pytest.raises(PreflightError, match=r"cannot be asked: .*refused"):
        preflight.check_packages(settings(emr_node_os_packages=packages, emr_node_os_repositories=nowhere))
