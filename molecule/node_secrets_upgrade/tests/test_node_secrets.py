"""A node whose secrets have changed."""

import secret_files
from testinfra.host import Host

FILE = "/home/hadoop/.kiln/secrets/molecule.json"


def test_the_file_holds_the_new_secret_only(host: Host) -> None:
    assert secret_files.read(host, FILE, "hadoop") == {"database_password": "canary-new-4711"}
    assert host.file(FILE).mode == 0o600


def test_no_copy_of_the_older_secrets_stays(host: Host) -> None:
    assert secret_files.holding(host, "canary-old-4711") == []
    assert secret_files.holding(host, "canary-removed-4711") == []
    assert host.check_output("ls -A /home/hadoop/.kiln/secrets") == "molecule.json"
