"""Faults inside a cluster's start and end, and of its logs: faulty_nodes.py and box/assembly.py do them."""

from __future__ import annotations

from emrbox.emr.life import endings
from emrbox.faults.kinds.kind import INSTANCES, REAL, ROLE, Kind, Parameter, Where, ending_parameters
from emrbox.faults.pools import Pools, SpotPrices

START_KINDS = (
    Kind(
        "no-capacity",
        Where.START,
        "EC2 has no instances for a group or fleet, or only some: a row in the table of its capacity",
        {
            "role": Parameter("MASTER,CORE,TASK", ROLE),
            "instance_type": Parameter("*", "pattern of instance types"),
            "market": Parameter("*", "pattern: ON_DEMAND, SPOT"),
            "zone": Parameter("*", "pattern of availability zones"),
            "available": Parameter(0, "how many more it has of each type, in each market and zone"),
        },
        new_state=Pools,
        source="docs/aws_facts.md 1.1: INTERNAL_ERROR, INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
    ),
    Kind(
        "spot-price",
        Where.START,
        "spot instances cost this; EC2 has none for lower bids",
        {
            "instance_type": Parameter("*", "pattern of instance types"),
            "zone": Parameter("*", "pattern of availability zones"),
            "percent": Parameter(100.0, "the price in percent of the on-demand price"),
        },
        new_state=SpotPrices,
        source="docs/aws_facts.md 2.3, 2.4: bids; without this fault every bid is enough",
    ),
    Kind(
        "quota",
        Where.START,
        "limits what the clusters of an account may be together; launches and resizes above it fail",
        {
            "clusters": Parameter(None, "clusters that have not begun to end (AWS's default: 500)"),
            "instances": Parameter(None, "instances in both markets together (EC2: `InstanceLimitExceeded`)"),
            "vcpus_on_demand": Parameter(None, "vCPUs of on-demand instances (EC2's default: 5)"),
            "vcpus_spot": Parameter(None, "vCPUs of spot instances (EC2's default: 5)"),
        },
        source="docs/aws_facts.md 1.1: `Request exceeds the EC2 service quota for that type.`; EC2 User "
        "Guide, On-Demand Instance quotas: of the standard families, to which all types here belong",
    ),
    Kind(
        "bootstrap-fails",
        Where.START,
        "a bootstrap action fails on one node, or several",
        {
            "role": Parameter("CORE", ROLE),
            "instances": Parameter(1, INSTANCES),
            "action": Parameter(1, "which bootstrap action, from 1"),
            "exit_code": Parameter(1, "its exit code"),
        },
        source="docs/aws_facts.md 1.1: BOOTSTRAP_FAILURE; acts on clusters that have that action",
    ),
    Kind(
        "start-fails",
        Where.START,
        "EMR ends a cluster that starts, TERMINATED_WITH_ERRORS",
        ending_parameters("An internal error occurred."),
        source="docs/aws_facts.md 1.1 for the codes and messages",
        new_state=endings.by_fault,
    ),
    Kind(
        "sshd-late",
        Where.START,
        "sshd refuses connections for a time after the instance runs",
        {"role": Parameter("MASTER,CORE,TASK", ROLE), "seconds": Parameter(30.0, "how long")},
        clusters=REAL,
    ),
)
END_KINDS = (
    Kind(
        "termination-stuck",
        Where.END,
        "leaves a cluster in TERMINATING",
        {"seconds": Parameter(0.0, "how long, by its clock; 0: until the fault is removed")},
        source="that it hangs is a guess; EMR says 1-5 minutes (docs/aws_facts.md 1.6)",
    ),
)
LOG_KINDS = (
    Kind(
        "logs-late",
        Where.LOG,
        "log files appear in S3 later",
        {"seconds": Parameter(300.0, "how much later, in real time")},
        clusters=REAL,
        source="docs/aws_facts.md 3.2: logs are pushed about every 5 minutes",
    ),
)
