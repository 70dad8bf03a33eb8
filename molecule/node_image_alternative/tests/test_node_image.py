"""An image with a Python environment and a package that the base image lacks."""

import environments
import images
from testinfra.host import Host


def test_the_package_that_the_base_image_lacks_is_there(host: Host) -> None:
    assert host.run("rpm -q --whatprovides tree").rc == 0


def test_the_environment_is_there(host: Host) -> None:
    name = environments.name_of("molecule/emr_node_default/requirements.txt")
    assert environments.finished(host) == {name}
    assert environments.version_of(host, name, "six") == "1.17.0"


def test_it_says_what_it_is(host: Host) -> None:
    assert images.contents(host) == {"fingerprint": "0123456789abcdef"}
    found = host.file("/opt/kiln/image.json")
    assert (found.user, found.mode) == ("root", 0o644)
