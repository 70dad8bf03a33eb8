"""The parts of one box: EC2, EMR, Athena, the event bus, the faults injected into them, and the server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from emrbox.athena.service import AthenaService
from emrbox.aws.accounts import Accounts
from emrbox.aws.ec2 import make_instances_real
from emrbox.aws.event_bus import EventBus
from emrbox.aws.functions import Functions
from emrbox.aws.metadata import MotoFacts
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.delays import Delays
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.app_uis import AppUis
from emrbox.emr.life.clock import MovableClock, SystemClock
from emrbox.emr.life.drivers import ThreadDriver, ThreadJobs
from emrbox.emr.life.engine import Engine
from emrbox.emr.life.events import event_of
from emrbox.emr.life.presigned import Presigned
from emrbox.emr.life.session_access import SessionAccess
from emrbox.emr.life.store import Store
from emrbox.emr.machines.capacity import role_of_profile
from emrbox.emr.machines.cluster_pages import RealClusterPages
from emrbox.emr.machines.event_logs import EventLogs
from emrbox.emr.machines.history_servers import HistoryServers
from emrbox.emr.machines.public_access import check_public_access
from emrbox.emr.machines.real_nodes import RealNodes
from emrbox.faults.book import FaultBook
from emrbox.faults.calls import CallFaults
from emrbox.faults.cluster_faults import ClusterFaults
from emrbox.faults.events import EventFaults
from emrbox.faults.faulty_nodes import FaultyNodes
from emrbox.faults.lag import LaggingView
from emrbox.faults.quotas import Quotas
from emrbox.faults.real_machines import RealMachines
from emrbox.faults.spot_history import SpotHistory
from emrbox.front.control import Control
from emrbox.front.own_api import OwnApi
from emrbox.front.page.app_pages import AppPages
from emrbox.front.page.events import last_events
from emrbox.front.page.status_page import StatusPage
from emrbox.front.server import Server, create_server
from emrbox.front.session_gateway import SessionGateway
from emrbox.nodes.imds import MetadataServer
from emrbox.nodes.registry import NodeRegistry

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.config import BoxConfig
    from emrbox.emr.life.layer import NodeLayer
    from emrbox.emr.life.model import Cluster, Subject, Watcher
    from emrbox.emr.life.states import State


def create_box(config: BoxConfig) -> Server:
    """Return the server of a box, not yet listening; the bridge and its address are there."""
    registry = NodeRegistry(config, MetadataServer(MotoFacts()))
    instances = make_instances_real(config, registry)
    functions = Functions(f"http://{config.gateway}")
    functions.install()
    faults = FaultBook()
    bus = EventBus(functions.send, EventFaults(faults).delays_of)
    bus.install()
    SpotHistory(faults).install()
    quotas = Quotas(faults)
    hollow = create_hollow(faults, quotas)
    emr, uis, access = create_emr(config, registry, hollow, faults, quotas=quotas, bus=bus)
    own = OwnApi()
    Control(hollow, faults, Accounts([instances, emr])).add_to(own)
    apps = AppPages(uis.presigned, lambda label: uis.address_of(label, emr.store))
    page = StatusPage(config, emr.store, registry.has_address, lambda most: last_events(bus, most))
    page.add_to(own)
    athena = AthenaService(f"http://{config.gateway}")
    sites = [page.nodes.site, apps.site]
    gateway = SessionGateway(access)
    return create_server(
        config, emr, athena, own, sites=sites, hook=CallFaults(faults), take_http2=gateway.serve
    )


def create_hollow(faults: FaultBook, quotas: Quotas) -> Hollow:
    """Return the hollow clusters of a box."""
    clock = MovableClock()

    def wrap(layer: NodeLayer, cluster: Cluster) -> FaultyNodes:
        return FaultyNodes(layer, cluster, faults, clock.now, quotas=quotas)

    return Hollow(Delays(), wrap, clock, check_public_access)


def create_emr(
    config: BoxConfig,
    machines: NodeRegistry,
    hollow: Hollow,
    faults: FaultBook,
    *,
    quotas: Quotas,
    bus: EventBus,
) -> tuple[EmrService, AppUis, SessionAccess]:
    """Return EMR on the box's nodes; it calls EC2 and S3 by the endpoint at the gateway.

    Its events go to `bus`. With it come its application UIs and who may use sessions.
    """
    # The settings of whoever started the box are not EMR's, and it calls nothing outside of the box.
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    clock = SystemClock()
    real = RealMachines(machines)
    event_logs = EventLogs(config.event_logs_folder)

    def driver_of(cluster: Cluster) -> ThreadDriver:
        def logs_late() -> float:
            fault = faults.acting("logs-late", (cluster.id, cluster.name))
            return float(fault.parameters["seconds"]) if fault else 0.0

        endpoint = f"http://{config.gateway}"
        nodes = RealNodes(
            cluster, machines, endpoint, clock, logs_late=logs_late, keep_event_logs=event_logs.collect
        )
        layer = FaultyNodes(nodes, cluster, faults, clock.now, on_boot=real.delay_sshd, quotas=quotas)
        engine = Engine(cluster, layer, ThreadJobs(cluster), hollow.delays.pick)
        return ThreadDriver(cluster, engine, clock)

    def publish(cluster: Cluster, subject: Subject, before: State | None, now: datetime) -> None:
        event = event_of(cluster, subject, before, now)
        if event is not None:
            bus.publish(event)

    watchers: list[Watcher] = [publish]

    def watch(cluster: Cluster, subject: Subject, before: State | None, now: datetime) -> None:
        for watcher in watchers:
            watcher(cluster, subject, before, now)

    store = Store(clock, driver_of, role_of_profile, hollow, watch)
    watchers.append(ClusterFaults(faults, store.all, bus.publish, hollow=hollow, real=real).watch)
    quotas.clusters = store.all
    history = HistoryServers(config, machines, event_logs, store.find)
    uis = AppUis(RealClusterPages(machines), history, Presigned(clock, config.port), clock)
    access = SessionAccess(store, config.port)
    return EmrService(store, LaggingView(faults), quotas, uis, access), uis, access
