"""A node with secrets for another user, in another folder."""

import secret_files
from testinfra.host import Host

FILE = "/srv/team/secrets/molecule.json"


def test_secrets_are_what_the_vault_holds_sign_by_sign(host: Host) -> None:
    assert secret_files.read(host, FILE, "ec2-user") == {
        "database_password": "canary 4711 \"{{ lookup('pipe', 'id') }}\" ünï",
        "token": "canary-4712\nsecond line\n",
    }


def test_only_the_owner_reads_them(host: Host) -> None:
    found = host.file(FILE)
    assert (found.user, found.group, found.mode) == ("ec2-user", "ec2-user", 0o600)
    with host.sudo("hadoop"):
        assert host.run(f"cat {FILE}").rc != 0


def test_nothing_lies_in_the_default_folder(host: Host) -> None:
    assert not host.file("/home/hadoop/.kiln").exists
