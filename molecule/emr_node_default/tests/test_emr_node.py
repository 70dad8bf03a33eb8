"""A node that has built the Python environment of its definition."""

from pathlib import Path

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


def test_files_hold_what_the_settings_and_the_checkout_have(host: Host) -> None:
    text = host.file("/etc/kiln_molecule/team.conf")
    table = host.file("/usr/local/share/kiln_molecule/table.bin")
    assert text.content_string == "team = risk\n"
    assert table.content == (Path(__file__).parents[1] / "table.bin").read_bytes()
    assert [(one.user, one.group, one.mode) for one in (text, table)] == [
        ("root", "root", 0o640),
        ("root", "root", 0o755),
    ]
    assert host.check_output("ls -A /etc/kiln_molecule") == "team.conf"


def test_the_kernel_has_its_settings_now_and_at_the_next_boot(host: Host) -> None:
    assert host.check_output("cat /proc/sys/net/core/somaxconn") == "2048"
    kept = host.file("/etc/sysctl.d/90-kiln.conf").content_string.splitlines()[1:]
    assert kept == ["net.core.somaxconn = 2048"]


def test_logins_have_their_limits(host: Host) -> None:
    kept = host.file("/etc/security/limits.d/90-kiln.conf").content_string.splitlines()[1:]
    assert kept == ["hadoop - memlock unlimited", "hadoop - nofile 65536"]
