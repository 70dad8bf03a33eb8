from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from kiln import vault
from kiln.errors import PreflightError
from kiln.preflight import check_vault
from kiln.settings import files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KILN_VAULT_PASSWORD_FILE", raising=False)
    for name, text in {
        "ansible.cfg": "[defaults]\n",
        "inventory/local/hosts.yml": "all: {children: {pipelines: {children: {model_building: }}}}\n",
        "group_vars/model_building.yml": "node_secrets_values: {password: '{{ vault_database_password }}'}\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def sources(root: Path) -> list[files.Source]:
    return files.chain(root, "local", "model_building", ())


def test_init_makes_a_vault_that_opens_and_holds_what_the_pipelines_ask_for(root: Path) -> None:
    assert vault.init(root, "local") == ["vault_database_password"]
    password = root / ".kiln/vault/local.password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    text = (root / "vault/local.yml").read_text()
    assert text.startswith("$ANSIBLE_VAULT;")
    held = vault.read(root, "local")
    assert len(held["vault_database_password"]) >= 16
    check_vault(root, "local", sources(root))
    assert vault.init(root, "local") == []
    assert (root / "vault/local.yml").read_text() == text


def test_init_adds_what_is_new_and_keeps_what_is_there(root: Path) -> None:
    vault.init(root, "local")
    before = vault.read(root, "local")
    file = root / "group_vars/model_building.yml"
    file.write_text("node_secrets_values: {a: '{{ vault_database_password }}', b: '{{ vault_api_key }}'}\n")
    with pytest.raises(PreflightError, match="vault_api_key"):
        check_vault(root, "local", sources(root))
    assert vault.init(root, "local") == ["vault_api_key"]
    assert vault.read(root, "local").items() >= before.items()


def test_a_missing_password_is_said_with_the_command_that_helps(root: Path) -> None:
    with pytest.raises(PreflightError) as error:
        check_vault(root, "local", sources(root))
    assert ".kiln/vault/local.password" in error.value.message
    assert "kiln vault init --env local" in error.value.fix


def test_a_wrong_password_is_said_and_not_shown(root: Path) -> None:
    vault.init(root, "local")
    (root / ".kiln/vault/local.password").write_text("wrong-password\n")
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


def test_a_pipeline_without_secrets_needs_no_vault(root: Path) -> None:
    (root / "group_vars/model_building.yml").write_text("kiln_owner: ops\n")
    check_vault(root, "local", sources(root))
