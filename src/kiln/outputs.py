"""What steps left in S3: how much, and the figures that they wrote about it themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.effects import Effects
    from kiln.settings.model import StepSettings

_METRICS = "metrics.json"
_METRICS_BYTES = 64 * 1024  # a small file of figures, not a data set


class Output(msgspec.Struct, kw_only=True):
    """One S3 prefix that a step fills. `metrics` holds its metrics.json files by path below the prefix."""

    step: str
    uri: str
    objects: int
    bytes: int
    metrics: dict[str, Any] = {}


def collect(effects: Effects, steps: Sequence[StepSettings]) -> list[Output]:
    """Return the outputs that steps declare (`outputs`)."""
    return [_look(effects, step.name, uri) for step in steps for uri in step.outputs]


def _look(effects: Effects, step: str, uri: str) -> Output:
    prefix = uri.rstrip("/") + "/"
    found = effects.list_objects(prefix)
    result = Output(step=step, uri=prefix, objects=len(found), bytes=sum(one.size for one in found))
    for one in found:
        name = one.uri.removeprefix(prefix)
        if name.rpartition("/")[2] == _METRICS and one.size <= _METRICS_BYTES:
            stored = effects.get_object(one.uri)
            if stored is not None:
                result.metrics[name] = json.loads(stored.body)
    return result
