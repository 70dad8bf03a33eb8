"""A node with a tag of the model repo, below another name."""

import releases
from testinfra.host import Host


def test_the_tag_is_the_current_release(host: Host) -> None:
    root = "/opt/kiln/models/campaigns"
    assert releases.on(host, root) == {releases.commit_of("v2")}
    assert host.check_output(f"cat {root}/current/.kiln-release") == releases.commit_of("v2")
    assert host.file(f"{root}/current/jobs/sd.py").content_string == "print(2)\n"


def test_nothing_lies_below_the_default_name(host: Host) -> None:
    assert host.check_output("ls /opt/kiln/models") == "campaigns"
