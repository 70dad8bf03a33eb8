"""A node with the secrets of one pipeline."""

import secret_files
from testinfra.host import Host

FOLDER = "/home/hadoop/.kiln/secrets"
FILE = f"{FOLDER}/molecule.json"


def test_the_owner_reads_the_secrets_that_the_pipeline_names(host: Host) -> None:
    assert secret_files.read(host, FILE, "hadoop") == {"database_password": "canary-4711"}


def test_nobody_else_reads_them(host: Host) -> None:
    found = host.file(FILE)
    assert (found.user, found.group, found.mode) == ("hadoop", "hadoop", 0o600)
    assert host.file(FOLDER).mode == 0o700
    for user in ("nobody", "ec2-user"):
        with host.sudo(user):
            assert host.run(f"cat {FILE}").rc != 0


def test_the_secret_is_in_no_other_file_and_no_process(host: Host) -> None:
    assert secret_files.holding(host, "canary-4711") == [FILE]


def test_secrets_of_other_pipelines_stay_in_the_vault(host: Host) -> None:
    assert secret_files.holding(host, "canary-4712") == []
