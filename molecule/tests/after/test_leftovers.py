"""After converge: only what was declared stays on a node."""

import pytest
from testinfra.host import Host


def test_nothing_unfinished_is_left(host: Host) -> None:
    names = ("-name", ".incoming-*", "-o", "-name", ".*.new", "-o", "-name", "build-*")
    assert host.check_output(f"find /opt /home /tmp /var/tmp {' '.join(map(repr, names))}") == ""


@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp", "/root"])  # noqa: S108  folders of the node
def test_nothing_of_ansible_is_left(host: Host, folder: str) -> None:
    assert host.check_output(f"find {folder} -iname '*ansible*' -o -iname '*kiln*'") == ""


def test_no_temporary_file_of_ansible_is_left(host: Host) -> None:
    assert host.check_output("find /home -path '*/.ansible/tmp/*'") == ""
