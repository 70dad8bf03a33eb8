"""The team's own PostgreSQL, which the models read organisations and domains from: one plain EC2 instance."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from account import CHECKOUT, EMR_GROUPS, HOST_CIDR_FILE, KEY_PAIR, LOCAL, PRIVATE_KEY, ensure, let_in

if TYPE_CHECKING:
    from pathlib import Path

    import boto3

NAME = "model-database"
POSTGRESQL, SSH = 5432, 22
# group_vars/model_building_local.yml reads the address from here.
HOST_FILE = LOCAL / "database_host"
KNOWN_HOSTS = LOCAL / "database_known_hosts"


def running_instance(ec2: Any) -> dict[str, Any] | None:
    """Return the instance that carries the database's name, if one runs."""
    found = ec2.describe_instances(
        Filters=[
            {"Name": "tag:Name", "Values": [NAME]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )
    for reservation in found["Reservations"]:
        for instance in reservation["Instances"]:
            return dict(instance)
    return None


def make_group(ec2: Any) -> None:
    """Make the instance's security group: nodes of clusters reach PostgreSQL, this machine SSH."""
    ensure(
        ec2.create_security_group, "InvalidGroup.Duplicate", GroupName=NAME, Description="The team's database"
    )
    let_in(ec2, NAME, SSH, {"IpRanges": [{"CidrIp": HOST_CIDR_FILE.read_text().strip()}]})
    nodes = ec2.describe_security_groups(GroupNames=list(EMR_GROUPS))["SecurityGroups"]
    for group in nodes:
        let_in(ec2, NAME, POSTGRESQL, {"UserIdGroupPairs": [{"GroupId": group["GroupId"]}]})


def launch(ec2: Any) -> dict[str, Any]:
    """Launch the instance from the newest Amazon Linux image."""
    images = ec2.describe_images(Filters=[{"Name": "name", "Values": ["al2023-ami-*"]}])["Images"]
    newest = max(images, key=lambda image: image["CreationDate"])
    launched = ec2.run_instances(
        ImageId=newest["ImageId"],
        InstanceType="t3.small",
        KeyName=KEY_PAIR,
        SecurityGroups=[NAME],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": NAME}]}],
    )
    return dict(launched["Instances"][0])


def make_database(session: boto3.Session, organisations: Path, log: Path) -> str:
    """Launch and provision the database unless it runs already, load the tables, return its address."""
    ec2 = session.client("ec2")
    make_group(ec2)
    instance = running_instance(ec2)
    if instance is None:
        instance = launch(ec2)
        KNOWN_HOSTS.unlink(missing_ok=True)
    ec2.get_waiter("instance_running").wait(
        InstanceIds=[instance["InstanceId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    address = str(instance["PrivateIpAddress"])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment["ANSIBLE_CONFIG"] = str(CHECKOUT / "ansible.cfg")
    command: list[str | Path] = [
        *(CHECKOUT / ".venv/bin/ansible-playbook", "-i", f"{address},"),
        *("--private-key", PRIVATE_KEY, "--user", "ec2-user"),
        *("--ssh-common-args", f"-o UserKnownHostsFile={KNOWN_HOSTS} -o StrictHostKeyChecking=accept-new"),
        *("--ssh-extra-args", f"-o ProxyCommand=\"'{CHECKOUT / '.venv/bin/emrbox'}' connect %h %p\""),
        *("--vault-password-file", CHECKOUT / ".kiln/vault/local.password"),
        *("-e", f"organisations_file={organisations}"),
        CHECKOUT / "examples/demo/database.yml",
    ]
    with log.open("w") as output:
        subprocess.run(command, env=environment, check=True, stdout=output, stderr=subprocess.STDOUT)
    HOST_FILE.write_text(address + "\n")
    return address
