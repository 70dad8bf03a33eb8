"""Run ids: given, or Airflow's, or made of time and a random number."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from kiln.errors import UsageError
from kiln.identity import RUN_ID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

AIRFLOW_VARIABLE = "AIRFLOW_CTX_DAG_RUN_ID"
_SHOWN = 60


def made(now: datetime) -> str:
    """Return a new run id: `20261121t073000z-4f1c2a`."""
    return f"{now:%Y%m%dt%H%M%Sz}-{secrets.token_hex(3)}"


def given(argument: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the given run id, or None. Raises UsageError when it cannot be a name."""
    run_id = argument if argument is not None else environment.get(AIRFLOW_VARIABLE) or None
    if run_id is not None and not RUN_ID.fullmatch(run_id):
        shown = repr(run_id) if len(run_id) <= _SHOWN else f"{run_id[:_SHOWN]!r}…"
        raise UsageError(
            f"the run id {shown} cannot be used",
            fix="letters, digits and _ . : + = @ - only, at most 150, and a letter or digit first",
        )
    return run_id
