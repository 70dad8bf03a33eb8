"""The configuration of one box: its folder, its network, its endpoints, its administrator and its images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address, IPv4Network
    from pathlib import Path

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
AVAILABILITY_ZONES = ("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d")
AWS_HOST_NAME = "aws.emrbox.internal"
REPOSITORY_HOST_NAME = "repo.emrbox.internal"
BASE_IMAGE_NAME = "al2023-ami-2023.emrbox-x86_64"


def image_id(name: str) -> str:
    """Return the AMI id that emrbox gives to its own image `name` (a release label or BASE_IMAGE_NAME)."""
    return "ami-" + hashlib.sha256(name.encode()).hexdigest()[:17]


def host_address(network: IPv4Network) -> IPv4Address:
    """Return the address of a box's network from which its host reaches the nodes."""
    return network[2]


def emr_endpoint(endpoint: str) -> str:
    """Return the address at which `aws emr create-default-roles` finds EMR, of a box with this endpoint.

    That command takes the service's principal, `elasticmapreduce.amazonaws.com`, from the text of EMR's
    address (awscli/customizations/emr/createdefaultroles.py): whatever has no dot, then EMR's host name. Here
    the host name is the path, at which the box answers as at any other.
    """
    port = endpoint.rpartition(":")[2]
    return f"http://localhost:{port}/{REGION}.elasticmapreduce.amazonaws.com"


@dataclass(frozen=True)
class Images:
    """Finished trees in the cache. Nothing writes to them while a box runs."""

    base: Path
    # Release label -> its overlay layers, topmost first: archives of classes, Hadoop and Spark.
    releases: Mapping[str, tuple[Path, ...]]
    rpm_repository: Path

    def layers(self, name: str) -> tuple[Path, ...]:
        """Return the overlay layers, topmost first, of BASE_IMAGE_NAME or of a release label."""
        return (self.base,) if name == BASE_IMAGE_NAME else (*self.releases[name], self.base)


@dataclass(frozen=True)
class BoxConfig:
    """One box. `network` is a /22 whose four /24 are the default VPC's subnets, one an availability zone."""

    home: Path
    port: int
    network: IPv4Network
    admin_access_key_id: str
    admin_secret_access_key: str
    images: Images
    joined_to_host: bool = True  # by a veth, which only root can make

    @property
    def endpoint_url(self) -> str:
        """The AWS endpoint as the host sees it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def node_endpoint_url(self) -> str:
        """The same AWS endpoint as nodes see it."""
        return f"http://{AWS_HOST_NAME}"

    @property
    def gateway(self) -> IPv4Address:
        """The bridge; the AWS endpoint listens here on port 80."""
        return self.network[1]

    @property
    def host_address(self) -> IPv4Address:
        """The host's end of the veth between the box and its host; without one, it is the bridge's, too."""
        return host_address(self.network)

    @property
    def service_addresses(self) -> tuple[IPv4Address, ...]:
        """Addresses of machines that are AWS's own: of those that EC2 reserves in each subnet."""
        reserved = [network[number] for network in self.subnets.values() for number in (1, 2, 3)]
        return tuple(one for one in reserved if one not in (self.gateway, self.host_address))

    @property
    def subnets(self) -> dict[str, IPv4Network]:
        """Availability zone -> its subnet."""
        return dict(zip(AVAILABILITY_ZONES, self.network.subnets(new_prefix=24), strict=True))

    @property
    def log_folder(self) -> Path:
        """box.log and calls go here."""
        return self.home / "log"

    @property
    def ended_folder(self) -> Path:
        """What is left of nodes that have ended."""
        return self.home / "ended"

    @property
    def nodes_folder(self) -> Path:
        """One folder an instance: its overlay's upper and work folders and its merged root."""
        return self.home / "nodes"

    @property
    def event_logs_folder(self) -> Path:
        """What EMR keeps of clusters' Spark event logs for UIs off the clusters."""
        return self.home / "event_logs"

    @property
    def box_layer(self) -> Path:
        """The overlay layer that all nodes of this box have on top of their image: /etc/hosts."""
        return self.home / "layer"

    @property
    def aws_config_file(self) -> Path:
        """The administrator's AWS config file, readable by its owner only."""
        return self.home / "aws" / "config"
