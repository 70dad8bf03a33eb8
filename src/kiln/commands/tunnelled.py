"""What `kiln tunnel` opens: a run's cluster, or all that there is in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kiln import paths
from kiln.commands import live_cluster, shared
from kiln.diagnosis import tunnel
from kiln.diagnosis.tunnel import Destination
from kiln.display import terminal
from kiln.emr import clusters, data_science, node_choice, states
from kiln.emr.descriptions import end_of
from kiln.errors import ClusterNotFoundError, UsageError
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Access

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.aws.effects import Ec2Instance

_TOKEN_BYTES, _TOKEN_SECONDS = 256, 10.0


class Target(NamedTuple):
    """A machine whose pages are opened. `ended` returns why it is there no more, or nothing."""

    id: str
    words: str
    to: Destination
    ended: Callable[[Context], str]
    is_cluster: bool = False

    def token(self) -> str:
        """Return the token of its pages; nothing when they have none or it cannot be read."""
        if self.to.pages != tunnel.DATA_SCIENCE_PAGES:
            return ""
        read = self.to.ssh.read(
            self.to.address, f"sudo -n cat {data_science.TOKEN_FILE}", _TOKEN_BYTES, _TOKEN_SECONDS
        )
        text = read.text.strip() if read else ""
        return text if text.isalnum() and text.isascii() else ""


class Found(NamedTuple):
    """What there is, and how often AWS is asked whether it still is."""

    context: Context
    targets: list[Target]
    interval_seconds: float


def find(arguments: argparse.Namespace) -> Found:
    """Return the cluster of the run that is named, else the data-science instance and the only live cluster.

    Raises ClusterNotFoundError when nothing is there.
    """
    if arguments.pipeline:
        live = live_cluster.find(arguments, Access)
        target = _cluster(live.context, live.account, live.cluster.id)
        return Found(live.context, [target], live.account.kiln_poll_interval_seconds)
    if arguments.run_id:
        raise UsageError("--run-id needs a pipeline", fix="kiln tunnel PIPELINE --run-id ID")
    question = Question(root=paths.checkout(), environment=arguments.env, pipeline="")
    account = resolve.part(question, Access)
    context = shared.context_of(account)
    instance = data_science.find(context, arguments.env)
    live_ones = [one for one in clusters.listed(context, arguments.env) if one.state in states.CLUSTER_USABLE]
    if not instance and len(live_ones) != 1:
        raise _nothing(arguments.env, len(live_ones))
    targets = [_instance(context, account, arguments.env, instance)] if instance else []
    if len(live_ones) == 1:
        targets.append(_cluster(context, account, live_ones[0].id))
    elif live_ones:
        terminal.err(f"kiln: {len(live_ones)} clusters run: name one's pipeline for its pages")
    return Found(context, targets, account.kiln_poll_interval_seconds)


def _nothing(environment: str, number: int) -> ClusterNotFoundError:
    if number:
        return ClusterNotFoundError(
            f"{environment} has no data-science instance and {number} live clusters",
            fix=f"name a pipeline: {paths.command('tunnel', 'PIPELINE', '--env', environment)}",
        )
    return ClusterNotFoundError(
        f"{environment} has no data-science instance and no live cluster",
        fix=data_science.playbook(environment),
    )


def _cluster(context: Context, account: Access, cluster_id: str) -> Target:
    master = node_choice.chosen(context, cluster_id)
    ssh = shared.ssh_of(context, account, cluster_id).knowing([master])
    to = Destination(ssh, master.private_ip_address, master.private_ip_address, tunnel.PAGES)
    return Target(cluster_id, f"the master of {cluster_id}", to, end_of_cluster(cluster_id), is_cluster=True)


def end_of_cluster(cluster_id: str) -> Callable[[Context], str]:
    """Return what tells how a cluster has ended; nothing while it lives."""

    def ended(context: Context) -> str:
        seen = clusters.seen(context, cluster_id)
        return end_of(seen) if seen and seen.state not in states.CLUSTER_USABLE else ""

    return ended


def _instance(context: Context, account: Access, environment: str, one: Ec2Instance) -> Target:
    ssh = shared.ssh_as(context, account, data_science.USER, data_science.name_of(environment))
    ssh = ssh.knowing_ids({one.private_ip_address: one.id})

    def ended(context: Context) -> str:
        found = context.effects.find_instances({"instance-id": [one.id]})
        return "" if any(seen.state == "running" for seen in found) else f"instance {one.id} runs no more"

    to = Destination(ssh, one.private_ip_address, tunnel.LOOPBACK, tunnel.DATA_SCIENCE_PAGES)
    return Target(one.id, f"the data-science instance {one.id}", to, ended)
