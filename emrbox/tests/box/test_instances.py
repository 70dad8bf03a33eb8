"""The nodes are what EC2's records describe."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from waiting import wait_until

pytestmark = pytest.mark.box

IMDS = "http://169.254.169.254/latest"
TOKEN = f"$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {IMDS}/api/token)"


def metadata(box: Any, node: dict[str, Any], path: str) -> str:
    return str(box.ssh(node, f'curl -sf -H "X-aws-ec2-metadata-token: {TOKEN}" {IMDS}/{path}'))


@pytest.fixture(scope="module")
def node(box: Any) -> dict[str, Any]:
    [instance] = box.launch(UserData="#!/bin/sh\nid -un >/root/who\necho printed\n")
    return dict(instance)


def test_a_new_instance_is_a_machine_of_its_own(box: Any, node: dict[str, Any]) -> None:
    assert box.ssh(node, "hostname").strip() == node["PrivateDnsName"]
    assert box.ssh(node, "hostname -i").strip() == node["PrivateIpAddress"]
    assert box.ssh(node, "id -un; sudo id -un", user="hadoop") == "hadoop\nroot\n"
    assert int(box.ssh(node, "ps ax | wc -l")) < 20
    assert str(Path.home() / ".ssh") not in box.ssh(node, "cat /proc/mounts")


def test_it_looks_like_amazon_linux_2023(box: Any, node: dict[str, Any]) -> None:
    assert 'VERSION="2023"' in box.ssh(node, "cat /etc/os-release")
    assert "17." in box.ssh(node, "java -version 2>&1")
    assert box.ssh(node, "python3.11 -c 'import venv; print(1)'; aws --version").startswith("1\naws-cli/")


def test_user_data_runs_once_as_root(box: Any, node: dict[str, Any]) -> None:
    wait_until(lambda: "printed" in box.ssh(node, "cat /var/log/cloud-init-output.log"))
    assert box.ssh(node, "sudo cat /root/who") == "root\n"


def test_metadata_needs_a_token(box: Any, node: dict[str, Any]) -> None:
    status = "curl -s -o /dev/null -w '%{http_code} '"
    ways = (
        f"{status} {IMDS}/meta-data/instance-id",
        f"{status} -H 'X-aws-ec2-metadata-token: made-up' {IMDS}/meta-data/instance-id",
        f"{status} -X PUT {IMDS}/api/token",
        f"{status} -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 99999' {IMDS}/api/token",
    )
    assert box.ssh(node, "; ".join(ways)).split() == ["401", "401", "400", "400"]
    assert metadata(box, node, "meta-data/instance-id") == node["InstanceId"]
    assert metadata(box, node, "meta-data/local-ipv4") == node["PrivateIpAddress"]
    document = json.loads(metadata(box, node, "dynamic/instance-identity/document"))
    assert (document["region"], document["imageId"]) == ("us-east-1", node["ImageId"])


def test_metadata_options_act_on_the_running_node(box: Any, node: dict[str, Any]) -> None:
    ec2, status = box.client("ec2"), f"curl -s -o /dev/null -w '%{{http_code}}' {IMDS}/meta-data/instance-id"
    for tokens, answer in (("optional", "200"), ("required", "401")):
        ec2.modify_instance_metadata_options(InstanceId=node["InstanceId"], HttpTokens=tokens)
        assert box.ssh(node, status) == answer
    ec2.modify_instance_metadata_options(InstanceId=node["InstanceId"], HttpPutResponseHopLimit=1)
    assert box.ssh(node, status) == "401"
    assert metadata(box, node, "meta-data/instance-id") == node["InstanceId"]


def test_a_role_reaches_the_node_and_its_policies_hold(box: Any) -> None:
    iam, s3 = box.client("iam"), box.client("s3")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    allowed = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::mine"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=policy)
    iam.create_instance_profile(InstanceProfileName="reader")
    iam.add_role_to_instance_profile(InstanceProfileName="reader", RoleName="reader")
    for name in ("mine", "other"):
        s3.create_bucket(Bucket=name)
    nodes = box.launch(2, IamInstanceProfile={"Name": "reader"})
    for node in nodes:
        credentials = json.loads(metadata(box, node, "meta-data/iam/security-credentials/reader"))
        assert credentials["Type"] == "AWS-HMAC"
        assert box.ssh(node, "aws s3 ls s3://mine && echo may") == "may\n"
        assert "AccessDenied" in box.ssh(node, "aws s3 ls s3://other 2>&1 || true")


def test_dnf_installs_real_packages(box: Any, node: dict[str, Any]) -> None:
    assert box.ssh(node, "command -v jq || echo none") == "none\n"
    assert box.ssh(node, "command -v zstd || echo none") == "none\n"  # whoever needs it installs it
    box.ssh(node, "sudo dnf -q -y install jq unzip zstd")
    assert box.ssh(node, "echo packed | zstd -q | zstd -q -d") == "packed\n"
    assert box.ssh(node, "echo '[1,2]' | jq length; rpm -q jq unzip | wc -l").split() == ["2", "2"]


def test_stop_keeps_the_files_and_start_brings_them_back(box: Any) -> None:
    ec2 = box.client("ec2")
    [node] = box.launch()
    box.ssh(node, "echo kept >note")
    ec2.stop_instances(InstanceIds=[node["InstanceId"]])
    wait_until(lambda: box.state(node["InstanceId"]) == "stopped")
    ec2.start_instances(InstanceIds=[node["InstanceId"]])
    wait_until(lambda: box.state(node["InstanceId"]) == "running")
    assert box.ssh(node, "cat note") == "kept\n"


def test_reboot_keeps_the_files_and_ends_the_processes(box: Any) -> None:
    [node] = box.launch()
    box.ssh(node, "nohup sleep 1000 >/dev/null 2>&1 </dev/null &")
    sleeping = "pgrep -c -x -f 'sleep 1000' || true"
    wait_until(lambda: box.ssh(node, sleeping) == "1\n")
    box.client("ec2").reboot_instances(InstanceIds=[node["InstanceId"]])

    def boots() -> int:
        output = box.client("ec2").get_console_output(InstanceId=node["InstanceId"])["Output"]
        return int(output.count(": ready"))  # said when sshd listens

    wait_until(lambda: boots() == 2)
    assert box.ssh(node, sleeping) == "0\n"


def test_terminate_removes_the_node_and_its_files(box: Any) -> None:
    [node] = box.launch()
    folder = box.home / "nodes" / node["InstanceId"]
    assert folder.exists()
    box.client("ec2").terminate_instances(InstanceIds=[node["InstanceId"]])
    wait_until(lambda: box.state(node["InstanceId"]) == "terminated")
    assert not folder.exists()


@pytest.mark.parametrize(("behaviour", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_shutdown_from_inside_is_seen(box: Any, behaviour: str, state: str) -> None:
    [node] = box.launch(InstanceInitiatedShutdownBehavior=behaviour)
    with suppress(AssertionError):  # the node may be gone before ssh has said good-bye
        box.ssh(node, "sudo shutdown -h now")
    wait_until(lambda: box.state(node["InstanceId"]) == state)
    assert box.instance(node["InstanceId"])["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_an_image_of_a_node_holds_what_was_done_to_it(box: Any) -> None:
    ec2 = box.client("ec2")
    [node] = box.launch()
    box.ssh(node, "sudo sh -c 'echo baked >/opt/note; rm /etc/motd'")
    image = ec2.create_image(InstanceId=node["InstanceId"], Name="baked")["ImageId"]
    wait_until(lambda: ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available")
    ec2.terminate_instances(InstanceIds=[node["InstanceId"]])
    [copy] = box.launch(ImageId=image)
    assert box.ssh(copy, "cat /opt/note; test -e /etc/motd || echo gone") == "baked\ngone\n"


def test_thirteen_nodes_start_together(box: Any) -> None:
    nodes = box.launch(13)
    assert len({box.ssh(node, "hostname") for node in nodes}) == 13
    box.client("ec2").terminate_instances(InstanceIds=[node["InstanceId"] for node in nodes])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"KeyName": "nobodys"}, "InvalidKeyPair.NotFound"),
        ({"InstanceType": "m5.huge"}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
    ],
)
def test_a_wrong_launch_is_refused_and_boots_nothing(box: Any, wrong: dict[str, str], code: str) -> None:
    before = box.status()["instances"]
    with pytest.raises(ClientError) as refused:
        box.launch(**wrong)
    assert refused.value.response["Error"]["Code"] == code
    assert box.status()["instances"] == before
