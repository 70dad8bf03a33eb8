from __future__ import annotations

import os
import shutil
import stat
import subprocess
import traceback
from typing import TYPE_CHECKING

import pytest

from kiln import paths
from kiln.errors import PreflightError, UsageError
from kiln.runs.preflight import check_vault
from kiln.settings import files, vault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KILN_VAULT_PASSWORD_FILE", raising=False)
    for name, text in {
        "ansible.cfg": "[defaults]\n",
        "inventory/local/hosts.yml": "all: {children: {pipelines: {children: {model_building: }}}}\n",
        "group_vars/local.yml": "kiln_vault_generates_secrets: true\n",
        "inventory/prod/hosts.yml": "all: {children: {pipelines: {children: {model_building: }}}}\n",
        "group_vars/model_building.yml": "node_secrets_values: {password: '{{ vault_database_password }}'}\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def sources(root: Path) -> list[files.Source]:
    return files.chain(root, "local", "model_building", ())


def test_init_makes_a_vault_that_opens_and_holds_what_the_pipelines_ask_for(root: Path) -> None:
    assert vault.init(root, "local") == (["vault_database_password"], [])
    password = root / ".kiln/vault/local.password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    text = (root / "vault/local.yml").read_text()
    assert text.startswith("$ANSIBLE_VAULT;")
    held = vault.read(root, "local")
    assert len(held["vault_database_password"]) >= 16
    check_vault(root, "local", sources(root))
    assert vault.init(root, "local") == ([], [])
    assert (root / "vault/local.yml").read_text() == text


def test_init_adds_what_is_new_and_keeps_what_is_there(root: Path) -> None:
    vault.init(root, "local")
    before = vault.read(root, "local")
    file = root / "group_vars/model_building.yml"
    file.write_text("node_secrets_values: {a: '{{ vault_database_password }}', b: '{{ vault_api_key }}'}\n")
    with pytest.raises(PreflightError, match="vault_api_key"):
        check_vault(root, "local", sources(root))
    assert vault.init(root, "local") == (["vault_api_key"], [])
    assert vault.read(root, "local").items() >= before.items()


def test_a_missing_password_is_said_with_the_command_that_helps(root: Path) -> None:
    with pytest.raises(PreflightError) as error:
        check_vault(root, "local", sources(root))
    assert ".kiln/vault/local.password" in error.value.message
    assert "kiln vault init --env local" in error.value.fix


def test_a_wrong_password_is_said_and_not_shown(root: Path) -> None:
    vault.init(root, "local")
    (root / ".kiln/vault/local.password").write_text("wrong-password\n")
    (root / ".kiln/vault/local.password").chmod(0o600)
    with pytest.raises(PreflightError) as error:
        check_vault(root, "local", sources(root))
    assert "vault/local.yml" in error.value.message
    assert "password" in error.value.message
    assert "wrong-password" not in error.value.message + error.value.fix


def test_a_vault_without_its_password_is_never_overwritten(root: Path) -> None:
    vault.init(root, "local")
    (root / ".kiln/vault/local.password").unlink()
    text = (root / "vault/local.yml").read_text()
    with pytest.raises(PreflightError):
        vault.init(root, "local")
    assert (root / "vault/local.yml").read_text() == text


def fill(root: Path, text: str) -> None:
    """Write what the vault holds, as a person edits it."""
    vault.init(root, "local")
    editor = root / "editor"
    (root / "text").write_text(text)
    editor.write_text(f'#!/bin/sh\ncat {root}/text >"$1"\n')
    editor.chmod(0o755)
    typed(vault.edit_command(root, "local"), root, EDITOR=str(editor))


@pytest.mark.parametrize("value", ["*canary", "!!canary x", "!!int canary", "[canary", "'canary", "@canary"])
def test_a_vault_that_is_no_yaml_is_said_by_its_line_and_not_shown(root: Path, value: str) -> None:
    fill(root, f"vault_other: x\nvault_database_password: {value}\n")
    with pytest.raises(UsageError, match=r"vault/local\.yml(, line \d)? is not valid YAML$") as error:
        check_vault(root, "local", sources(root))
    assert "canary" not in "".join(traceback.format_exception(error.value)).partition("UsageError")[2]


@pytest.mark.parametrize("value", ["12345678", "2026-11-21", "[canary]", "{canary: 1}", "", "true"])
def test_a_secret_that_is_no_text_is_refused_before_the_launch_and_not_shown(root: Path, value: str) -> None:
    fill(root, f"vault_database_password: {value}\n")
    error = refused(root, "local")
    assert error.message == "vault_database_password in vault/local.yml is no text"
    assert "ansible-vault edit" in error.fix
    assert not value or value not in error.fix


def test_a_pipeline_without_secrets_needs_no_vault(root: Path) -> None:
    (root / "group_vars/model_building.yml").write_text("kiln_owner: ops\n")
    check_vault(root, "local", sources(root))


def typed(command: str, folder: Path, **environment: str) -> None:
    """Run a command as a person types it."""
    subprocess.run(["bash", "-c", command], check=True, cwd=folder, env=os.environ | environment)


def refused(root: Path, environment: str) -> PreflightError:
    chain = files.chain(root, environment, "model_building", ())
    with pytest.raises(PreflightError) as error:
        check_vault(root, environment, chain)
    return error.value


def test_no_secret_is_made_up_unless_the_environment_says_so(root: Path) -> None:
    assert "vault init --env prod" in refused(root, "prod").fix
    assert vault.init(root, "prod") == ([], ["vault_database_password"])
    assert vault.read(root, "prod") == {}
    error = refused(root, "prod")
    assert "vault/prod.yml has no vault_database_password" in error.message
    assert "ansible-vault edit --vault-password-file .kiln/vault/prod.password vault/prod.yml" in error.fix
    assert vault.init(root, "prod") == ([], ["vault_database_password"])


def test_a_deploy_key_is_named_as_missing_and_never_made_up(root: Path) -> None:
    """Also where other secrets are: somebody has to register it at the git server."""
    (root / "group_vars/all.yml").write_text("model_repo_deploy_key: vault_key\n")
    assert vault.init(root, "local") == (["vault_database_password"], ["vault_key"])
    (root / "group_vars/model_building.yml").write_text("model_repo_deploy_key: ''\n")
    assert vault.init(root, "local") == ([], [])


def test_the_command_that_preflight_shows_fills_the_vault(root: Path) -> None:
    vault.init(root, "prod")
    shown = refused(root, "prod").fix
    editor = root / "editor"
    editor.write_text(
        '#!/bin/sh\ngrep -q "# vault_database_password" "$1"\necho "vault_database_password: x" >"$1"\n'
    )
    editor.chmod(0o755)
    typed(shown, root, EDITOR=str(editor))
    assert vault.read(root, "prod") == {"vault_database_password": "x"}
    check_vault(root, "prod", files.chain(root, "prod", "model_building", ()))


@pytest.mark.parametrize("said", ["'true'", "'{{ true }}'", "1", "false", ""])
def test_only_a_plain_true_makes_secrets_up(root: Path, said: str) -> None:
    (root / "group_vars/local.yml").write_text(f"kiln_vault_generates_secrets: {said}\n")
    assert not vault.generates(sources(root))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_password_that_others_can_read_or_change_is_refused_with_the_chmod(root: Path, mode: int) -> None:
    password = paths.private_folder(root, "vault") / "local.password"
    password.write_text("word\n")
    password.chmod(mode)
    error = refused(root, "local")
    assert f"(mode {mode:04o})" in error.message
    assert error.fix == "chmod 600 .kiln/vault/local.password"
    typed(error.fix, root)
    vault.check_password_file(root, password)


def test_a_password_program_may_be_run_by_others_but_not_changed(root: Path) -> None:
    vault.init(root, "local")
    password = root / ".kiln/vault/local.password"
    program = root / "print password"
    program.write_text(f"#!/bin/sh\ncat {password}\n")
    program.chmod(0o755)
    vault.check_password_file(root, program)
    program.chmod(0o775)
    with pytest.raises(PreflightError, match="others may change") as error:
        vault.check_password_file(root, program)
    assert error.value.fix == "chmod go-w 'print password'"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_password_of_another_user_is_refused(root: Path) -> None:
    vault.init(root, "local")
    os.chown(root / ".kiln/vault/local.password", 4242, -1)
    assert "belongs to another user (uid 4242)" in refused(root, "local").message


def test_a_vault_whose_password_is_gone_is_not_advised_to_be_made_anew(root: Path) -> None:
    vault.init(root, "prod")
    (root / ".kiln/vault/prod.password").unlink()
    assert "get it from the person who made vault/prod.yml" in refused(root, "prod").fix


@pytest.mark.parametrize("umask", [0, 0o022, 0o777 & ~0o700])
def test_folders_below_kiln_are_private_whatever_the_umask(root: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        paths.private_folder(root, "vault")
        paths.run_folder(root, "r1")
        paths.private_folder(root, "known_hosts")
    finally:
        os.umask(before)
    folders = [root / ".kiln", *(path for path in (root / ".kiln").rglob("*") if path.is_dir())]
    assert len(folders) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_wider_folders_of_an_older_kiln_are_corrected(root: Path) -> None:
    for name in ("vault", "runs", "local"):
        (root / ".kiln" / name).mkdir(parents=True)
        (root / ".kiln" / name).chmod(0o777)
    (root / ".kiln").chmod(0o777)
    paths.state_folder(root)
    folders = [root / ".kiln", *(root / ".kiln").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_a_state_folder_that_is_a_link_is_refused(root: Path) -> None:
    (root / "elsewhere").mkdir()
    (root / ".kiln").symlink_to(root / "elsewhere")
    with pytest.raises(PermissionError, match="is a link"):
        vault.init(root, "local")
    assert list((root / "elsewhere").iterdir()) == []
    assert paths.run_folder_if_possible(root, "r1") == root / ".kiln/runs/r1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_state_folder_of_another_user_is_refused(root: Path) -> None:
    (root / ".kiln").mkdir()
    os.chown(root / ".kiln", 4242, -1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        paths.state_folder(root)


def test_a_vault_that_cannot_be_written_leaves_no_half_of_itself(root: Path) -> None:
    vault.init(root, "local")
    shutil.rmtree(root / "vault")
    (root / "vault").write_text("a file")
    with pytest.raises(OSError, match="vault"):
        vault.init(root, "local")


def test_init_names_the_secrets_of_notifications_and_generates_none(root: Path) -> None:
    rows = "[{name: chat, kind: webhook, url: vault_chat_url}, {name: ops, kind: mail, password: vault_smtp}]"
    (root / "group_vars/model_building.yml").write_text(f"kiln_notifications: {rows}\n")
    assert vault.init(root, "local") == ([], ["vault_chat_url", "vault_smtp"])


def test_a_url_in_place_of_a_name_is_refused_by_init_and_not_shown(root: Path) -> None:
    rows = "[{name: chat, kind: webhook, url: 'https://chat.example.com/SECRET'}]"
    (root / "group_vars/model_building.yml").write_text(f"kiln_notifications: {rows}\n")
    with pytest.raises(UsageError, match=r"kiln_notifications\[0\]\.url is no name") as error:
        vault.init(root, "local")
    assert "SECRET" not in error.value.message
