"""An instance that has booted from the image."""

from pathlib import Path

import images
from scenario import FOLDER
from testinfra.host import Host


def test_it_has_what_was_put_into_the_image(host: Host) -> None:
    assert images.contents(host) == {"fingerprint": "0123456789abcdef", "packages": "jq"}
    assert host.run("rpm -q --whatprovides jq").rc == 0
    assert host.file("/etc/kiln_molecule/team.conf").content_string == "team = risk\n"
    assert "net.core.somaxconn = 2048" in host.file("/etc/sysctl.d/90-kiln.conf").content_string


def keys_in(file: Path) -> set[str]:
    return {line.split()[2] for line in file.read_text().splitlines()}


def test_it_has_host_keys_of_its_own(host: Host) -> None:
    own = keys_in(FOLDER / "known_hosts")
    assert own
    assert own.isdisjoint(keys_in(FOLDER / "builder_known_hosts"))
    public = host.check_output("cat /etc/ssh/ssh_host_*_key.pub")
    assert all(key in public for key in own)


def test_only_the_key_of_its_own_launch_lets_people_in(host: Host) -> None:
    assert len(host.check_output("cat /home/ec2-user/.ssh/authorized_keys").splitlines()) == 1
    assert not host.file("/root/.ssh/authorized_keys").exists


def test_nothing_of_the_builder_is_left(host: Host) -> None:
    for left in ("/home/ec2-user/.ansible", "/home/ec2-user/.bash_history", "/root/.aws"):
        assert not host.file(left).exists, left
    assert host.check_output("find /tmp /var/tmp -mindepth 1") == ""
    assert host.check_output("find /var/cache/dnf -name '*.rpm' -o -name '*.solv'") == ""


def test_it_is_an_instance_of_its_own(host: Host) -> None:
    assert len(host.check_output("ls /var/lib/cloud/instances").split()) == 1
