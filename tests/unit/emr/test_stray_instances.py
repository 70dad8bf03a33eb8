"""EC2 instances with tags of any text: none is an error, and only a time that has passed ends a plain one."""

from __future__ import annotations

from datetime import timedelta

from fakes import START, FakeAws, VirtualClock
from hostile import many, texts
from hypothesis import example, given

from kiln.aws.context import Context
from kiln.aws.effects import Ec2Instance
from kiln.clock import timestamp
from kiln.emr import stray_instances
from kiln.emr.ec2_nodes import JOB_FLOW_TAG

PAST, FUTURE = timestamp(START), timestamp(START + timedelta(days=1))


@many
@given(texts(PAST, FUTURE), texts("j-1", ""))
@example(PAST, "")
@example(PAST, "j-1")
@example("", "../../x")
def test_only_a_plain_instance_whose_expiry_has_passed_is_to_end(expires_at: str, cluster_id: str) -> None:
    clock = VirtualClock()
    clock.seconds = 60
    aws = FakeAws(clock)
    given_tags = {"managed_by": "kiln", "environment": "local", "expires_at": expires_at}
    more = {JOB_FLOW_TAG: cluster_id} if cluster_id else {}
    aws.instances["i-1"] = Ec2Instance(
        id="i-1", state="running", launched_at=START, private_ip_address="", tags=given_tags | more
    )
    (found,) = stray_instances.find(Context(aws=aws, clock=clock), "local", 900)
    assert (found.reason == "expired") == (expires_at == PAST and not cluster_id)


def test_the_data_science_instance_stays_and_the_reaper_says_why() -> None:
    clock = VirtualClock()
    aws = FakeAws(clock)
    tags = {"managed_by": "kiln", "environment": "local", "data_science": "persistent"}
    for name, more in (("i-1", {}), ("i-2", {"expires_at": FUTURE}), ("i-3", {"expires_at": PAST})):
        aws.instances[name] = Ec2Instance(
            id=name, state="running", launched_at=START, private_ip_address="", tags=tags | more
        )
    found = stray_instances.find(Context(aws=aws, clock=clock), "local", 900)
    assert [(one.instance.id, one.reason, one.why.partition(":")[0]) for one in found] == [
        ("i-1", "", "persistent"),
        ("i-2", "", ""),
        ("i-3", "expired", "expired at " + PAST.partition(":")[0]),
    ]
