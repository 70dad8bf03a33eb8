"""What a step is added with: arguments, code, environment and inputs. It decides whether a step is done."""

from __future__ import annotations

import difflib
import hashlib
import itertools
from typing import TYPE_CHECKING

import msgspec

from kiln.aws.effects import MOST_OBJECTS
from kiln.errors import AwsError, PreflightError
from kiln.ledger.schema import StepIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kiln.aws.effects import Effects, ObjectSummary, Step
    from kiln.ledger.schema import Run
    from kiln.settings.model import StepSettings

_SHOWN_ARGUMENTS = 20
_DIGEST_CHARACTERS = 16


def of(effects: Effects, run: Run | None, step: StepSettings, cluster_id: str | None) -> StepIdentity:
    """Return what a step has now: on this cluster, or on one that is not launched yet (None).

    Code and environment are those that were deployed to the cluster; of any other cluster nothing is known.
    Raises PreflightError for an input that cannot be listed.
    """
    deployed = run if run is not None and cluster_id and run.deployed_cluster_id == cluster_id else None
    return StepIdentity(
        arguments=[step.jar, *step.args],
        commit=deployed.deployed_commit if deployed else "",
        environment=deployed.deployed_environment if deployed else "",
        inputs={uri: _digest(effects, uri, step.name) for uri in step.inputs},
    )


def as_added(recorded: StepIdentity | None, seen: Step) -> StepIdentity:
    """Return what a step was added with: jar and arguments from AWS, the rest from its line in the ledger.

    ListSteps returns jar and arguments as they were added (emr 2009-03-31 service model, HadoopStepConfig).
    """
    return msgspec.structs.replace(recorded or StepIdentity(), arguments=[seen.jar, *seen.args])


def differences(before: StepIdentity, now: StepIdentity) -> dict[str, list[str]]:
    """Return what differs: `other arguments` -> lines that show it.

    What one side does not know is not compared.
    """
    found = {
        "another commit": _changed("commit", before.commit, now.commit),
        "another Python environment": _changed("environment", before.environment, now.environment),
        "other inputs": [
            f"input {uri}: changed"
            for uri, digest in now.inputs.items()
            if digest and before.inputs.get(uri) and before.inputs[uri] != digest
        ],
        "other arguments": _arguments(before.arguments, now.arguments),
    }
    return {what: lines for what, lines in found.items() if lines}


def _changed(what: str, before: str, now: str) -> list[str]:
    return [f"{what}: {before} -> {now}"] if before and now and before != now else []


def _arguments(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return what was left out and what came, in pairs (difflib.ndiff takes a minute for 300 like values)."""
    if not before or not now or before == now:
        return []
    changed = []
    for kind, left, left_end, right, right_end in difflib.SequenceMatcher(None, before, now).get_opcodes():
        if kind != "equal":
            for old, new in itertools.zip_longest(before[left:left_end], now[right:right_end]):
                changed += [f"- {old}"] if old is not None else []
                changed += [f"+ {new}"] if new is not None else []
    left_out = len(changed) - _SHOWN_ARGUMENTS
    return [*changed[:_SHOWN_ARGUMENTS], *([f"and {left_out} more"] if left_out > 0 else [])]


def _digest(effects: Effects, uri: str, step: str) -> str:
    """Return a digest of the names, sizes and times of what is below an input, of its first objects."""
    try:
        found = effects.list_objects(uri, most=MOST_OBJECTS)
    except AwsError as error:
        raise PreflightError(
            f"the input {uri} of step {step} cannot be listed: {error.message}",
            fix=error.fix or f"correct the inputs of step {step}, or allow s3:ListBucket there",
        ) from error
    return hashlib.sha256("\n".join(_lines(found)).encode(errors="surrogatepass")).hexdigest()[
        :_DIGEST_CHARACTERS
    ]


def _lines(found: Iterable[ObjectSummary]) -> list[str]:
    # The representation of a name has no line break: two listings that differ never have the same lines.
    return sorted(f"{one.uri!r} {one.size} {one.modified_at.timestamp()}" for one in found)
