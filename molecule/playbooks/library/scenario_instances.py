#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""The EC2 instances of a Molecule scenario, in the account that the AWS_* variables name."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: scenario_instances
short_description: Launch or end the EC2 instances of a Molecule scenario
description:
  - One module in place of several of amazon.aws, each of which loads boto3 anew, and without boto3's waiters,
    which ask every 15 seconds.
  - Each instance has the tags C(molecule) (the scenario), C(Name), C(environment), C(managed_by) and
    C(expires_at).
options:
  state:
    description: C(present) launches one instance for each name; C(absent) ends all that the scenario has.
    type: str
    choices: [present, absent]
    required: true
  scenario:
    description: Name of the scenario.
    type: str
    required: true
  environment:
    description: Name of Kiln's environment.
    type: str
    required: true
  names:
    description: Names of the instances.
    type: list
    elements: str
    default: []
  image_name:
    description: Pattern of the name of the image; the newest one is taken.
    type: str
    default: ""
  image_id:
    description: The image itself, in place of O(image_name).
    type: str
    default: ""
  key_pair:
    description: Name of the key pair.
    type: str
    default: ""
  instance_profile:
    description: Name of the instance profile.
    type: str
    default: ""
  timeout_seconds:
    description: How long the instances may take until they run.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Launch two instances
  scenario_instances:
    state: present
    scenario: emr_node_default
    environment: local
    names: [first, second]
    image_name: al2023-ami-2023.*
    key_pair: kiln-local
    instance_profile: EMR_EC2_DefaultRole
"""

RETURN = r"""
addresses:
  description: The private address of each instance, by its name.
  returned: when state is present
  type: dict
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from ansible.module_utils.basic import AnsibleModule

LIVE = ["pending", "running", "stopping", "stopped"]
LIFETIME = timedelta(hours=1)
INTERVAL_SECONDS = 0.5


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "required": True},
            "scenario": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "image_name": {"type": "str", "default": ""},
            "image_id": {"type": "str", "default": ""},
            "key_pair": {"type": "str", "default": "", "no_log": False},
            "instance_profile": {"type": "str", "default": ""},
            "timeout_seconds": {"type": "int", "default": 120},
        }
    )
    given = module.params
    ec2 = boto3.client("ec2")
    if given["state"] == "absent":
        live = instances(ec2, "tag:molecule", given["scenario"], LIVE)
        if live:
            ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in live])
        module.exit_json(changed=bool(live))
    image = given["image_id"] or newest_image(ec2, given["image_name"])
    launched = {name: launch(ec2, given, name, image) for name in given["names"]}
    ends_at = time.monotonic() + given["timeout_seconds"]
    while len(running := instances(ec2, "instance-id", list(launched.values()), ["running"])) < len(launched):
        if time.monotonic() > ends_at:
            module.fail_json(
                msg=f"{given['scenario']}: not all of {launched} run after {given['timeout_seconds']} s"
            )
        time.sleep(INTERVAL_SECONDS)
    addresses = {one["InstanceId"]: one["PrivateIpAddress"] for one in running}
    module.exit_json(changed=True, addresses={name: addresses[found] for name, found in launched.items()})


def instances(ec2: Any, key: str, values: str | list[str], states: list[str]) -> list[dict[str, Any]]:
    """Return the instances in some states with a value of a filter."""
    wanted = [
        {"Name": key, "Values": [values] if isinstance(values, str) else values},
        {"Name": "instance-state-name", "Values": states},
    ]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=wanted)
    return [one for page in pages for found in page["Reservations"] for one in found["Instances"]]


def newest_image(ec2: Any, pattern: str) -> str:
    """Return the id of the newest image with a name."""
    images = ec2.describe_images(Filters=[{"Name": "name", "Values": [pattern]}])["Images"]
    return str(max(images, key=lambda image: image["CreationDate"])["ImageId"])


def launch(ec2: Any, given: dict[str, Any], name: str, image: str) -> str:
    """Launch one instance and return its id."""
    expires_at = datetime.now(UTC) + LIFETIME
    tags = {
        "Name": f"molecule-{given['scenario']}-{name}",
        "managed_by": "kiln",
        "environment": given["environment"],
        "molecule": given["scenario"],
        "expires_at": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    answer = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.small",
        KeyName=given["key_pair"],
        IamInstanceProfile={"Name": given["instance_profile"]},
        MetadataOptions={"HttpTokens": "required"},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
        ],
    )
    return str(answer["Instances"][0]["InstanceId"])


if __name__ == "__main__":
    main()
