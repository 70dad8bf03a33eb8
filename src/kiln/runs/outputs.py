"""What steps left in S3: how much, and the figures that they wrote about it themselves."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import msgspec

from kiln.aws.effects import MOST_OBJECTS
from kiln.errors import KilnError, caught

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.effects import Effects, ObjectSummary
    from kiln.settings.model import StepSettings

_METRICS = "metrics.json"
_METRICS_BYTES = 64 * 1024  # a small file of figures, not a data set
_MOST_FILES = 20
_MOST_PROBLEMS = 20
# Of one metrics.json: levels, members of a level, characters of a text. Ledgers and Airflow's XCom carry it.
_MOST_LEVELS = 8
_MOST_MEMBERS = 200
_MOST_CHARACTERS = 2000
# What JSON readers in other languages, and msgspec's writer, take as an integer.
_INTEGERS = range(-(2**63), 2**64)


class Output(msgspec.Struct, kw_only=True):
    """One S3 prefix that a step fills. `metrics` holds its metrics.json files by path below the prefix.

    `problems` says in a line each what could not be read, or not as a whole.
    """

    step: str
    uri: str
    objects: int = 0
    bytes: int = 0
    metrics: dict[str, Any] = {}
    problems: list[str] = []


def collect(effects: Effects, steps: Sequence[StepSettings]) -> list[Output]:
    """Return the outputs that steps declare (`outputs`). Never raises: what goes wrong is in `problems`."""
    return [_collect(effects, step.name, uri) for step in steps for uri in step.outputs]


def _collect(effects: Effects, step: str, uri: str) -> Output:
    output = Output(step=step, uri=uri.rstrip("/") + "/")
    error = caught(lambda: _fill(effects, output))
    if error is not None:
        output.problems.append(f"cannot be read: {error.message}")
    return output


def _fill(effects: Effects, output: Output) -> None:
    found = effects.list_objects(output.uri)
    output.objects, output.bytes = len(found), sum(one.size for one in found)
    if len(found) >= MOST_OBJECTS:
        output.problems.append(f"only the first {MOST_OBJECTS} objects were counted")
    metrics = [one for one in found if one.uri.rpartition("/")[2] == _METRICS]
    for one in metrics[:_MOST_FILES]:
        name = one.uri.removeprefix(output.uri)
        try:
            output.metrics[name] = _read(effects, one)
        except _CutError as cut:
            output.metrics[name] = cut.rest
            output.problems.append(f"{name}: {cut.message}")
        except KilnError as error:
            output.problems.append(f"{name}: {error.message}")
    if len(metrics) > _MOST_FILES:
        output.problems.append(f"{len(metrics) - _MOST_FILES} more {_METRICS} were not read")
    del output.problems[_MOST_PROBLEMS:]


class _CutError(KilnError):
    """A file of metrics was only read in part: `rest` is what remains."""

    def __init__(self, message: str, rest: Any) -> None:
        super().__init__(message)
        self.rest = rest


def _read(effects: Effects, one: ObjectSummary) -> Any:
    """Return a file of metrics. Raises KilnError when it cannot be read, _CutError when only in part."""
    stored = effects.get_object(one.uri, most_bytes=_METRICS_BYTES)
    if stored is None:
        raise KilnError("is gone")
    if not stored.is_whole:
        raise KilnError(f"has {stored.size} bytes; only files up to {_METRICS_BYTES} bytes are read")
    try:
        value = json.loads(stored.body)
        cuts: set[str] = set()
        clean = _clean(value, _MOST_LEVELS, cuts)
    except (ValueError, RecursionError) as error:
        raise KilnError(f"is no JSON that can be read: {str(error)[:200]}") from error
    if cuts:
        raise _CutError(", ".join(sorted(cuts)), clean)
    return clean


def _clean(value: Any, levels: int, cuts: set[str]) -> Any:
    """Return what a ledger can hold of a value; `cuts` gets what was left out or changed."""
    if isinstance(value, str):
        return _text(value, cuts)
    if isinstance(value, (dict, list)):
        if levels == 0:
            cuts.add(f"nested deeper than {_MOST_LEVELS} levels")
            return None
        if len(value) > _MOST_MEMBERS:
            cuts.add(f"more than {_MOST_MEMBERS} members")
        if isinstance(value, list):
            return [_clean(inner, levels - 1, cuts) for inner in value[:_MOST_MEMBERS]]
        kept = list(value.items())[:_MOST_MEMBERS]
        return {_text(key, cuts): _clean(inner, levels - 1, cuts) for key, inner in kept}
    return _number(value, cuts)


def _text(value: str, cuts: set[str]) -> str:
    if len(value) > _MOST_CHARACTERS:
        cuts.add(f"a text of more than {_MOST_CHARACTERS} characters")
    whole = value[:_MOST_CHARACTERS].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if whole != value[:_MOST_CHARACTERS]:
        cuts.add("text that is no Unicode (half of a surrogate pair)")
    return whole


def _number(value: Any, cuts: set[str]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        cuts.add("a number that is not finite, now null")
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value not in _INTEGERS:
        cuts.add("an integer of more than 64 bits, now null")
        return None
    return value
