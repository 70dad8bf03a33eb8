"""The page about throttled accounts: its commands, in an account whose token buckets are small."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError
from local_world import CHECKOUT

from emrbox.client import Client

if TYPE_CHECKING:
    from local_world import World

PAGE = CHECKOUT / "docs/operations/throttled_account.md"


def commands() -> list[list[str]]:
    """Return the arguments of kiln in the block of commands that is marked as tested."""
    (block,) = re.findall(r"<!-- commands: .*?-->\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [shlex.split(line.replace("ENV", "local"))[1:] for line in block.splitlines()]


def use_up(world: World, operation: str) -> None:
    """Make calls as other people's tools do, until the account's bucket of the operation is empty."""
    once = Config(retries={"total_max_attempts": 1})
    call = getattr(world.session.client("emr", config=once), operation)
    while True:
        try:
            call()
        except ClientError as refused:
            assert refused.response["Error"]["Code"] == "ThrottlingException"  # noqa: PT017  # what else is a fault
            return


def test_the_commands_of_the_page_work_while_emr_throttles(world: World) -> None:
    box = Client(world.session.client("sts").meta.endpoint_url)
    box.post("faults", add={"kind": "throttle", "parameters": {"scale": 0.2}})
    try:
        for arguments in commands():
            use_up(world, "list_clusters")
            finished = world.kiln(*arguments, "-o", "json")
            assert finished.code == 0, finished.said
    finally:
        box.post("faults", clear=True)
