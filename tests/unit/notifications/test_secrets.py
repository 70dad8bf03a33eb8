"""Secrets of rows come from a real vault, when a message needs them, and no others are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from message_sinks import http_sink
from notification_world import Office, failed, webhook_row

from kiln.errors import PreflightError
from kiln.notifications.secrets import VaultSecrets
from kiln.settings import vault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KILN_CHECKOUT", str(tmp_path))
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    (tmp_path / "inventory/local").mkdir(parents=True)
    (tmp_path / "inventory/local/hosts.yml").write_text("all: {children: {pipelines: {children: {p: }}}}\n")
    return tmp_path


def fill(root: Path, **secrets: object) -> None:
    """Write a vault as people do."""
    vault.init(root, "local")
    plain = yaml.safe_dump(secrets)
    password = root / ".kiln/vault/local.password"
    encrypted = vault._ansible_vault(root, password, "encrypt", "--output", "-", "-", text=plain)
    (root / "vault/local.yml").write_text(encrypted)


def test_a_message_goes_to_the_url_in_the_vault_and_no_other_secret_is_kept(root: Path) -> None:
    with http_sink() as sink:
        fill(root, vault_chat_url=sink.url, vault_database_password="DATABASE")
        held = VaultSecrets(root, "local", ["vault_chat_url"])
        office = Office(vault=held(["vault_chat_url"]))
        assert office.deliver(failed(), webhook_row())
        assert len(sink.bodies) == 1
    assert "DATABASE" not in str(vars(held))


def test_what_the_vault_lacks_or_holds_as_a_number_is_said_without_it(root: Path) -> None:
    fill(root, vault_number=12345678, vault_other="x")
    held = VaultSecrets(root, "local", ["vault_number", "vault_absent"])
    with pytest.raises(PreflightError, match=r"vault/local\.yml has no vault_absent"):
        held(["vault_absent"])
    with pytest.raises(PreflightError, match=r"vault_number in vault/local\.yml is no text") as error:
        held(["vault_number"])
    assert "12345678" not in error.value.message
    with pytest.raises(PreflightError, match="has no vault_other"):
        held(["vault_other"])
