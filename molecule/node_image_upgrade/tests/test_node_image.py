"""An image that is made from an older one."""

import images
from testinfra.host import Host


def test_it_says_what_is_in_the_new_image_only(host: Host) -> None:
    assert images.contents(host) == {"fingerprint": "fedcba9876543210"}


def test_it_has_the_packages_of_both(host: Host) -> None:
    assert host.run("rpm -q --whatprovides jq tree").rc == 0
