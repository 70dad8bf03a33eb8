"""EMR put together for one box."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from emrbox.emr.capacity import role_of_profile
from emrbox.emr.clock import SystemClock
from emrbox.emr.events import event_of
from emrbox.emr.real_nodes import RealNodes
from emrbox.emr.service import EmrService
from emrbox.emr.store import Store
from emrbox.faults.lag import LaggingReads

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.aws.event_bus import EventBus
    from emrbox.config import BoxConfig
    from emrbox.control import Control
    from emrbox.emr.model import Cluster, HasStatus
    from emrbox.emr.node_access import Machines
    from emrbox.emr.states import State


def create_emr(config: BoxConfig, machines: Machines, control: Control, bus: EventBus) -> EmrService:
    """Return EMR on the box's nodes; it calls EC2 and S3 by the endpoint at the gateway.

    Its events go to `bus`.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # the settings of whoever started the box are not EMR's
    clock = SystemClock()
    endpoint_url = f"http://{config.gateway}"

    def layer_of(cluster: Cluster) -> RealNodes:
        return RealNodes(cluster, machines, endpoint_url, clock)

    def watch(cluster: Cluster, subject: HasStatus[Any], before: State | None, now: datetime) -> None:
        event = event_of(cluster, subject, before, now)
        if event is not None:
            bus.publish(event)

    return EmrService(
        Store(clock, layer_of, role_of_profile, control.hollow, watch), LaggingReads(control.faults)
    )
