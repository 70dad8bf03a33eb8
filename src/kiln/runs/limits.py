"""What a run may take, and what becomes of its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from kiln.settings.model import Driver, Ending


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may take, in seconds.

    The cluster of a failed run is held for `hold_seconds`, that of another one for `success_hold_seconds`;
    0 = ended.
    """

    terminate_seconds: float
    interval_seconds: float
    run_seconds: float = 0.0
    step_seconds: float = 0.0
    hold_seconds: int = 0
    success_hold_seconds: int = 0


def of_end(settings: Ending) -> Limits:
    """Return the limits of a command that only ends a cluster."""
    return Limits(
        terminate_seconds=settings.kiln_terminate_timeout_seconds,
        interval_seconds=settings.kiln_poll_interval_seconds,
    )


def of_run(settings: Driver) -> Limits:
    """Return the limits of a run. An existing cluster stays without a hold."""

    def held(after: str) -> int:
        is_kept = after == "keep" and not settings.emr_cluster_existing.is_named
        return settings.kiln_hold_seconds if is_kept else 0

    return msgspec.structs.replace(
        of_end(settings),
        run_seconds=settings.kiln_run_timeout_seconds,
        step_seconds=settings.kiln_step_timeout_seconds,
        hold_seconds=held(settings.kiln_after_failure),
        success_hold_seconds=held(settings.kiln_after_success),
    )
