"""A node that has built the Python environment of its definition."""

import environments
from testinfra.host import Host

LOCK_FILE = "molecule/emr_node_default/requirements.txt"


def test_packages_are_installed_with_what_packs_environments(host: Host) -> None:
    assert host.run("rpm -q --whatprovides jq zstd").rc == 0
    assert host.check_output("echo '{\"a\": 1}' | jq .a") == "1"


def test_the_environment_has_what_its_lock_file_names(host: Host) -> None:
    assert environments.finished(host) == {environments.name_of(LOCK_FILE)}
    assert environments.version_of(host, environments.name_of(LOCK_FILE), "six") == "1.17.0"


def test_only_root_can_change_the_environment(host: Host) -> None:
    assert host.check_output("find /opt/kiln ! -user root -o -perm /022 ! -type l") == ""


def test_the_environment_is_kept_in_s3_under_its_digest(host: Host) -> None:
    prefix = f"{environments.STATE}/envs/{environments.name_of(LOCK_FILE)}-"
    kept = [line.split()[-1] for line in host.check_output(f"aws s3 ls {prefix}").splitlines()]
    assert kept
    for archive in kept:
        digest = archive.removesuffix(".tar.zst").partition("-")[2]
        content = f"aws s3 cp {environments.STATE}/envs/{archive} - | sha256sum"
        assert host.check_output(content).split()[0] == digest
