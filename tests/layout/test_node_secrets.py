"""From the vault into a file: byte for byte, by one user only, and in no other place on the way."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hostile import COMMANDS, PLACES, SIGNS, Sentinel, many, texts
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, TemplateError, meta

from kiln.errors import UsageError, caught
from kiln.settings import secret_references

if TYPE_CHECKING:
    from ansible_copy import AnsibleCopy

CANARY = "canary-4f1c"
PLAY = """
- hosts: localhost
  vars:
    ansible_python_interpreter: "{{ playbook_dir }}/../python"
    pipeline: model_building
    node_secrets_vault_file: "{{ playbook_dir }}/../vault/local.yml"
    node_secrets_folder: "{{ playbook_dir | dirname }}/secrets"
  tasks:
    - ansible.builtin.import_role: {name: node_secrets, tasks_from: open}
    - ansible.builtin.import_role: {name: node_secrets}
"""
# While the program runs, its interpreter looks for the canary in all temporary folders.
INTERPRETER = """#!/bin/sh
grep -rl {canary} {root}/local_tmp {root}/remote_tmp {root}/run >> {root}/seen 2>/dev/null
cat /proc/$$/cmdline /proc/$$/environ >> {root}/arguments
exec {python} "$@"
"""


class Node:
    """This machine as a node: a play that writes secrets, and a vault to be filled."""

    def __init__(self, copy: AnsibleCopy) -> None:
        self.copy, self.root = copy, copy.root
        config = (self.root / "ansible.cfg").read_text()
        temporary = f"[defaults]\nlocal_tmp = {self.root}/local_tmp\nremote_tmp = {self.root}/remote_tmp\n"
        copy.write("ansible.cfg", config.replace("[defaults]\n", temporary, 1))
        copy.write("playbooks/try.yml", PLAY)
        copy.write("password", "p\n")
        copy.write("python", INTERPRETER.format(canary=CANARY, root=self.root, python=sys.executable))
        (self.root / "python").chmod(0o755)

    @property
    def file(self) -> Path:
        return self.root / "secrets/model_building.json"

    def fill(self, text: str) -> None:
        encrypted = subprocess.run(
            [
                Path(sys.executable).parent / "ansible-vault",
                *("encrypt", "--vault-password-file", "password", "--output", "-", "-"),
            ],
            cwd=self.root,
            input=text,
            check=True,
            capture_output=True,
            text=True,
        )
        self.copy.write("vault/local.yml", encrypted.stdout)

    def play(self, values: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
        extra = {"node_secrets_values": values, "node_secrets_owner": getpass.getuser()}
        return self.copy.run(
            *("ansible-playbook", "-i", "inventory/local/hosts.yml", "playbooks/try.yml"),
            *("-e", json.dumps(extra), "--vault-password-file", "password", *arguments),
        )


@pytest.fixture
def node(ansible_copy: AnsibleCopy) -> Node:
    return Node(ansible_copy)


def awkward(sentinel: Sentinel) -> dict[str, str]:
    signs = [sign for sign in SIGNS if sign not in {"\x00", "\ud800"}]  # YAML has no way to write these
    texts = [*(sentinel.within(text) for text in COMMANDS), *PLACES, *signs]
    return {f"n{number}": f"{text}{CANARY}{text}" for number, text in enumerate(texts)} | {"empty": ""}


def test_every_value_arrives_as_it_is_and_lies_nowhere_else(node: Node, tmp_path: Path) -> None:
    sentinel = Sentinel(tmp_path)
    values = awkward(sentinel)
    node.fill(yaml.safe_dump({f"vault_{name}": value for name, value in values.items()}))
    references = {name: f"{{{{ vault_{name} }}}}" for name in values}
    checked = node.play(references, "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not node.file.exists()
    done = node.play(references, "-vvv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(node.file.read_text()) == values
    assert node.file.stat().st_mode & 0o777 == 0o600
    again = node.play(references, "--diff")
    assert "changed=0 " in again.stdout, again.stdout
    for finished in (checked, done, again):
        assert CANARY not in finished.stdout + finished.stderr
    assert (node.root / "arguments").is_file(), "the interpreter of the test was not used"
    assert CANARY not in (node.root / "arguments").read_text(errors="replace")
    assert not (node.root / "seen").exists() or (node.root / "seen").read_text() == ""
    sentinel.check()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vault_other: x\n", "vault/local.yml has no vault_a"),
        ("vault_a: 12345678\n", "vault_a in vault/local.yml is no text"),
        (f"vault_a: [{CANARY}\n", "vault/local.yml cannot be read as YAML"),
        (f"- {CANARY}\n", "vault/local.yml holds no variables"),
    ],
)
def test_a_vault_that_does_not_fit_is_one_line_without_a_value(node: Node, text: str, words: str) -> None:
    node.fill(text)
    refused = node.play({"a": "{{ vault_a }}"})
    assert refused.returncode != 0
    assert words in " ".join(refused.stdout.split())
    assert CANARY not in refused.stdout + refused.stderr
    assert "12345678" not in refused.stdout + refused.stderr


def test_a_value_that_another_password_has_encrypted_is_one_line_without_a_value(node: Node) -> None:
    node.copy.write("other", "another\n")
    encrypted = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-vault",
            *("encrypt_string", "--vault-password-file", "other", "--name", "vault_a", CANARY),
        ],
        cwd=node.root,
        check=True,
        capture_output=True,
        text=True,
    )
    node.fill(encrypted.stdout)
    refused = node.play({"a": "{{ vault_a }}"})
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert "vault_a in vault/local.yml cannot be opened with the vault's password" in said
    assert "Traceback" not in refused.stdout + refused.stderr
    assert CANARY not in refused.stdout + refused.stderr


@many
@given(text=texts("{{ vault_a }}", "{{vault_a}}"))
def test_only_one_reference_is_taken_and_no_value_is_shown(text: str) -> None:
    error = caught(lambda: secret_references.references({"a": text}, "f.yml"))
    if error is None:
        assert text.strip("{} ").removeprefix("vault_").isidentifier()
        assert text.count("{{") == 1
        return
    assert isinstance(error, UsageError)
    assert text.strip() == "" or len(text) < 6 or text not in error.message + error.fix


PARTS = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "{#", "#}", "{% raw %}", "{% endraw %}", "{% if vault_a %}", "{% endif %}"),
        *(" vault_a ", "vault_B1", "x_vault_a", "{{ vault_a }}", "{{ '}}' ~ vault_a }}", "if", "|upper", "+"),
        *("-", " ", "\n", "'", '"', ".", "[", "]"),
    ]
)


@many
@given(text=st.one_of(st.lists(PARTS, max_size=8).map("".join), texts("{{ vault_a }}", "vault_a")))
def test_whatever_jinja_takes_for_a_secret_is_refused_outside_node_secrets_values(text: str) -> None:
    """Jinja's own parser decides, not a second copy of the rule."""
    error = caught(lambda: secret_references.check_absent("key", {"a": [text]}, "f.yml"))
    if error is not None:
        assert isinstance(error, UsageError)
        return
    try:
        found = meta.find_undeclared_variables(Environment().parse(text))  # noqa: S701  # nothing is rendered
    except (TemplateError, RecursionError):
        return
    assert not {name for name in found if name.startswith("vault_")}
