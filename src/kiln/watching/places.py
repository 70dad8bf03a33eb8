"""Where the processes of a host meet: a private folder for each account and environment."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kiln import paths, private
from kiln.aws.tokens import SharedTokens
from kiln.errors import PreflightError
from kiln.watching.host import HostWatch
from kiln.watching.poller import WAITS

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.watching.rounds import Plan

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# What chooses the account where the settings name no profile.
_OF_THE_SHELL = (
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EMR",
)


def account_digest(*, region: str, profile: str, config_file: str) -> str:
    """Return a name for an account as this host reaches it.

    Two profiles of one account have two names: their buckets of tokens then add up. The boot is a part of it:
    a home that several hosts share must not mix their monotonic clocks.
    """
    shell = [os.environ.get(name, "") for name in _OF_THE_SHELL] if not config_file else []
    boot = ""
    with suppress(OSError):
        boot = _BOOT_ID.read_text()
    file = os.path.realpath(config_file) if config_file else ""
    parts = "\0".join((boot, region, profile, file, *shell))
    return hashlib.sha256(parts.encode(errors="surrogateescape")).hexdigest()[:24]


def folder(digest: str) -> Path:
    """Return the folder of an account, made with mode 0700. Raises OSError, or PreflightError."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(given) if Path(given).is_absolute() else Path(paths.home()) / ".cache"
    (cache / "kiln").mkdir(mode=0o700, parents=True, exist_ok=True)
    return private.folder(private.folder(cache / "kiln" / "watching") / digest)


def shared(context: Context, digest: str, plan: Plan, queue_url: str = "") -> Context:
    """Return the context with the watch and the tokens that the host's processes share.

    Where they cannot meet (no home, a folder of somebody else), each works for itself: the context as it is.
    """
    try:
        of_account = folder(digest)
        of_environment = private.folder(of_account / plan.environment)
        private.folder(of_environment / WAITS)
    except (OSError, PreflightError) as error:
        context.report(f"this process polls for itself: {error}")
        return context
    return replace(
        context,
        watch=HostWatch(of_environment, plan, queue_url),
        tokens=SharedTokens(of_account / "tokens.json", context.clock),
    )
