"""A module's part in what the processes of this host poll together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.watching import places
from kiln.watching.rounds import Plan

if TYPE_CHECKING:
    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context


def sharing(context: Context, options: Options, environment: str) -> Context:
    """Return the context for a module's waits."""
    digest = places.account_digest(
        region=options["region"], profile=options["profile"], config_file=options["aws_config_file"]
    )
    plan = Plan(environment=environment, interval_seconds=options["poll_interval_seconds"])
    return places.shared(context, digest, plan)
