"""What the commands share: the account, the run that the command line names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiln import paths
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.display import terminal
from kiln.emr import clusters, existing, finding
from kiln.errors import ClusterNotFoundError, KilnError
from kiln.identity import RUN_ID, Identity
from kiln.ledger import store
from kiln.ledger.store import Ledger
from kiln.settings.model import Driver
from kiln.watching import places
from kiln.watching.rounds import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from kiln.aws.effects import ClusterSummary, Effects
    from kiln.emr.cancelling import Kill
    from kiln.ledger.schema import Run
    from kiln.settings.model import Access, Account, Ending


def aws_of(account: Account) -> Effects:
    """Return the real AWS of an account: one attempt of each call (see Context.effects)."""
    from kiln.aws.boto import Boto  # noqa: PLC0415  # boto3 takes 200 ms: after all that can fail without it

    return Boto(region=account.aws_region, profile=account.aws_profile, config_file=config_file(account))


def absolute(extra: str) -> str:
    """Return an -e argument: Ansible reads @file from the checkout, people mean it from where they are."""
    return f"@{os.path.abspath(extra[1:])}" if extra.startswith("@") else extra  # noqa: PTH100  # keeps links


def config_file(account: Account) -> Path | None:
    """Return the account's own AWS config file, absolute, or None for the user's."""
    return paths.checkout() / account.aws_config_file if account.aws_config_file else None


def environment_of(account: Account) -> dict[str, str]:
    """Return the environment for the playbooks.

    An account that the settings name wins over the caller's shell: its AWS_PROFILE or AWS_ENDPOINT_URL would
    point the inventory and the modules to two different accounts.
    """
    environment = paths.clean_environment(paths.checkout())
    if not account.aws_profile:
        return environment
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def context_of(account: Account) -> Context:
    """Return a context for commands that only read: Python's own Ctrl-C ends them."""
    return Context(aws=aws_of(account), clock=SystemClock(), report=terminal.err)


def sharing(context: Context, account: Ending, environment: str) -> Context:
    """Return the context of a run: it polls, and limits its calls, together with the others of this host."""
    digest = places.account_digest(
        region=account.aws_region,
        profile=account.aws_profile,
        config_file=str(config_file(account) or ""),
    )
    plan = Plan(environment=environment, interval_seconds=account.kiln_poll_interval_seconds)
    queue_url = account.kiln_events_queue_url if isinstance(account, Driver) else ""
    return places.shared(context, digest, plan, queue_url)


@dataclass(frozen=True, kw_only=True)
class Known:
    """A run as far as it is known: from its ledger, from AWS, or both; at `aws_now` by S3's time."""

    identity: Identity
    run: Run | None
    found: tuple[ClusterSummary, ...]
    ledger_uri: str
    problem: str = ""
    aws_now: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Return whether AWS has a live cluster with the run's name, or the shared one that the run uses."""
        return bool(self.found)

    def has_left(self, cluster_id: str) -> bool:
        """Return whether a cluster is a shared one that the run uses no more: it may live on."""
        run = self.run
        return run is not None and run.shares(cluster_id) and run.shared_cluster_id != cluster_id

    @property
    def cluster_ids(self) -> list[str]:
        """Return the ids of all clusters of the run, oldest first."""
        remembered = self.run.cluster_ids if self.run else []
        return list(dict.fromkeys([*remembered, *(cluster.id for cluster in self.found)]))


def find_run(
    context: Context, account: Account, environment: str, pipeline: str, run_id: str | None
) -> Known:
    """Return a run: the named one, else the only live one, else the latest in the ledger."""
    live = clusters.listed(context, environment, pipeline, run_id)
    of = finding.run_of_only(context, live, environment, pipeline) if run_id is None else None
    chosen = run_id or (of.run_id if of else None) or _latest(context.effects, account, environment, pipeline)
    if not chosen:
        raise ClusterNotFoundError(
            f"pipeline {pipeline} has no run in {environment}",
            fix=paths.command("run", pipeline, "--env", environment),
        )
    identity = Identity(environment=environment, pipeline=pipeline, run_id=chosen)
    ledger = Ledger(context.effects, context.clock, account.kiln_state_uri, identity)
    run, problem = _remembered(ledger)
    shared = existing.recorded(context, run)
    known = Known(
        identity=identity,
        run=run,
        found=(*live, *([shared] if shared else [])),
        ledger_uri=ledger.uri,
        problem=problem,
        aws_now=ledger.aws_now(),
    )
    if run is None and not live and not problem:
        raise ClusterNotFoundError(
            f"pipeline {pipeline} has no run {chosen} in {environment}",
            fix=paths.command("list", pipeline, "--env", environment),
        )
    return known


def _remembered(ledger: Ledger) -> tuple[Run | None, str]:
    """Return the run as its ledger has it, and why it could not be read."""
    try:
        return ledger.read(), ""
    except KilnError as error:
        return None, error.message


def _latest(effects: Effects, account: Account, environment: str, pipeline: str) -> str | None:
    prefix = store.folder(account.kiln_state_uri, environment, pipeline)
    try:
        found = effects.list_objects(prefix)
    except KilnError:
        return None
    for one in sorted(found, key=lambda one: one.modified_at, reverse=True):
        name = one.uri.removeprefix(prefix).removesuffix(".json")
        # Whoever may write there chooses the names of objects.
        if RUN_ID.fullmatch(name):
            return name
    return None


def ssh_of(context: Context, access: Access, cluster_id: str) -> Any:
    """Return how the nodes of a cluster are reached; what is decided about host keys goes to stderr, once."""
    return ssh_as(context, access, access.emr_cluster_ssh_user, cluster_id)


def ssh_as(context: Context, access: Access, user: str, name: str) -> Any:
    """Return how machines are reached as a user, with their host keys in the file `name`."""
    # Only for commands that reach nodes.
    from kiln.diagnosis import node_access  # noqa: PLC0415

    way = node_access.NodeAccess(
        user, access.emr_cluster_private_key_file, access.emr_cluster_ssh_proxy_command
    )
    return node_access.ssh_of(context, way, name, lambda line: terminal.err(f"kiln: {line}"))


def killer(access: Callable[[], Access]) -> Kill:
    """Return what kills the YARN applications of steps. `access` is called when there are steps to end."""
    from kiln.diagnosis import applications  # noqa: PLC0415

    return applications.killer(lambda context, cluster_id: ssh_of(context, access(), cluster_id))
