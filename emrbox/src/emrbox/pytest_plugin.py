"""A pytest plugin: one running box, and in it a fresh AWS account for each test. docs/testing.md."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from emrbox.client import Client
from emrbox.config import emr_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# boto3 and what starts a box are imported when they are needed: every run of pytest loads this file.
MARKER = "emrbox_nodes"
INSTANCE_PROFILE = "EMR_EC2_DefaultRole"
EMR, SCALING, EC2 = (f"{one}.amazonaws.com" for one in ("elasticmapreduce", "application-autoscaling", "ec2"))
# Role -> who may assume it, and its policy, as `aws emr create-default-roles` has them.
DEFAULT_ROLES = {
    "EMR_DefaultRole": ([EMR], "AmazonElasticMapReduceRole"),
    "EMR_AutoScaling_DefaultRole": ([EMR, SCALING], "AmazonElasticMapReduceforAutoScalingRole"),
    INSTANCE_PROFILE: ([EC2], "AmazonElasticMapReduceforEC2Role"),
}


class Box(Client):
    """A running box. `get` and `post` are emrbox's own API; ValueError with its reason when it refuses."""

    def advance(self, seconds: float) -> None:
        """Move the clock of all hollow clusters; on return, all that was due until then is done."""
        self.post("clock", advance_seconds=seconds)

    def open_account(self, *, hollow: bool = True) -> Account:
        """Open an account. Its clusters are hollow, or have nodes."""
        return Account(self, **self.post("accounts", hollow=hollow))


@dataclass(frozen=True)
class Account:
    """One AWS account of a box, with its administrator's keys. `hollow`: its clusters have no nodes."""

    box: Box
    account_id: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    hollow: bool

    @property
    def endpoint(self) -> str:
        """The AWS endpoint, as in AWS_ENDPOINT_URL."""
        return self.box.endpoint

    @property
    def environment(self) -> dict[str, str]:
        """What a client of any language needs to use this account."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_EMR": emr_endpoint(self.endpoint),
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def session(self) -> Any:
        """Return a boto3 session; its clients need AWS_ENDPOINT_URL, which the fixture sets."""
        return _session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=self.region,
        )

    def client(self, service: str) -> Any:
        """Return the administrator's boto3 client of a service."""
        return self.session().client(service, endpoint_url=self.endpoint)

    def create_default_roles(self) -> None:
        """Make the roles and the instance profile that `aws emr create-default-roles` makes."""
        iam = self.client("iam")
        for name, (principals, policy) in DEFAULT_ROLES.items():
            trust = {"Effect": "Allow", "Principal": {"Service": principals}, "Action": "sts:AssumeRole"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
            iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/service-role/{policy}")
        iam.create_instance_profile(InstanceProfileName=INSTANCE_PROFILE)
        iam.add_role_to_instance_profile(InstanceProfileName=INSTANCE_PROFILE, RoleName=INSTANCE_PROFILE)

    def script_step(self, step: str = "*", cluster: str = "*", **script: Any) -> None:
        """Script the steps of this account's hollow clusters; the newest rule that fits wins.

        `step` and `cluster` are patterns of names. `script`: seconds, exit_code, message, applications,
        containers.
        """
        rule = {"step": step, "cluster": cluster, "account": self.account_id, **script}
        self.box.post("hollow", add_steps=[rule])

    def close(self) -> None:
        """End everything in the account and forget it."""
        self.box.post("accounts/close", account_id=self.account_id)


@cache
def _loader() -> Any:
    """Return what reads botocore's models: once for all tests, and not in each test's session again."""
    import botocore.loaders  # noqa: PLC0415  # as said above

    return botocore.loaders.create_loader()


def _session(**settings: str) -> Any:
    import boto3  # noqa: PLC0415  # as said above
    import botocore.session  # noqa: PLC0415  # as said above

    session = botocore.session.get_session()
    session.register_component("data_loader", _loader())
    return boto3.session.Session(botocore_session=session, **settings)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's option."""
    group = parser.getgroup("emrbox")
    group.addoption("--emrbox-keep", action="store_true", help="leave the box running that the tests started")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", f"{MARKER}: aws_account's clusters have real nodes (minutes)")


@pytest.fixture(scope="session")
def emrbox_home() -> Path:
    """Return the folder of the box's state; override it for a box of the tests' own."""
    from emrbox.paths import box_home  # noqa: PLC0415  # as said above

    return box_home()


@pytest.fixture(scope="session")
def emrbox(request: pytest.FixtureRequest, emrbox_home: Path) -> Iterator[Box]:
    """Start the box unless it runs; what was started is ended, except under xdist."""
    from emrbox.box import lifecycle, state  # noqa: PLC0415  # as said above

    was_running = state.find_running(emrbox_home) is not None
    yield Box(lifecycle.up(emrbox_home).endpoint)
    one_of_many = hasattr(request.config, "workerinput")
    if not (was_running or one_of_many or request.config.getoption("--emrbox-keep")):
        lifecycle.down(emrbox_home)


@pytest.fixture
def aws_account(
    request: pytest.FixtureRequest, emrbox: Box, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    """Open an account for one test; the environment makes it the default of every client, boto3 included."""
    import boto3  # noqa: PLC0415  # as said above

    account = emrbox.open_account(hollow=request.node.get_closest_marker(MARKER) is None)
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        monkeypatch.delenv(name)
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", _session())
    yield account
    account.close()
