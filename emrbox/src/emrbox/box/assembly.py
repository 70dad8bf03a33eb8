"""EMR put together for one box."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from emrbox.emr.api.service import EmrService
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.events import event_of
from emrbox.emr.life.store import Store
from emrbox.emr.machines.capacity import role_of_profile
from emrbox.emr.machines.real_nodes import RealNodes
from emrbox.faults.lag import LaggingReads
from emrbox.faults.machines import with_faults
from emrbox.faults.real_hands import RealHands

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.aws.event_bus import EventBus
    from emrbox.config import BoxConfig
    from emrbox.control import Control
    from emrbox.emr.life.layer import NodeLayer
    from emrbox.emr.life.model import Cluster, HasStatus
    from emrbox.emr.life.states import State
    from emrbox.emr.machines.node_access import Machines


def create_emr(config: BoxConfig, machines: Machines, control: Control, bus: EventBus) -> EmrService:
    """Return EMR on the box's nodes; it calls EC2 and S3 by the endpoint at the gateway.

    Its events go to `bus`.
    """
    # The settings of whoever started the box are not EMR's, and it speaks with nobody outside.
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    clock = SystemClock()
    endpoint_url = f"http://{config.gateway}"

    hands = RealHands(machines)
    control.happenings.real_hands = hands
    control.happenings.publish = bus.publish
    bus.fate = control.event_faults.fate

    def layer_of(cluster: Cluster) -> NodeLayer:
        def logs_late() -> float:
            fault = control.faults.strike("logs-late", (cluster.id, cluster.name))
            return float(fault.parameters["seconds"]) if fault else 0.0

        nodes = RealNodes(cluster, machines, endpoint_url, clock, logs_late)
        return with_faults(
            nodes,
            cluster,
            control.faults,
            delays=control.delays,
            now=clock.now,
            on_boot=hands.delay_sshd,
        )

    def watch(cluster: Cluster, subject: HasStatus[Any], before: State | None, now: datetime) -> None:
        event = event_of(cluster, subject, before, now)
        if event is not None:
            bus.publish(event)
        control.happenings.watch(cluster, subject)

    store = Store(clock, layer_of, role_of_profile, control.hollow, watch)
    control.happenings.store = store
    return EmrService(store, LaggingReads(control.faults))
