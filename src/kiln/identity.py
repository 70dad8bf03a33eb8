"""Which run of which pipeline: the names that make it up, their patterns, and how a cluster carries them.

Names from outside (tags, ledgers, the command line, variables of Airflow) become an identity only here, after
they have been checked. They then can stand in a cluster's name, a tag, an S3 key, a file name and an Ansible
variable alike: no pattern allows a space, a slash, a brace, or a dot or dash in front.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

MANAGED_BY = "kiln"
# Of pipelines and environments: they are groups of Ansible's inventory and names of files. EMR allows 256
# characters for a cluster's name, which holds both and a run id.
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Airflow's `scheduled__2026-11-21T00:00:00+00:00` is one.
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+=@-]{0,149}")
CLUSTER_ID = re.compile(r"j-[A-Z0-9]{1,32}")
STEP_ID = re.compile(r"s-[A-Z0-9]{1,32}")
# The name of a step that a run has added to a cluster that others use, too.
_STEP_NAME = re.compile(rf"(.+) \(({NAME.pattern}/{NAME.pattern}/{RUN_ID.pattern})\)", re.DOTALL)
# Unambiguous: only a run id may hold a dash.
_CLUSTER_NAME = re.compile(rf"kiln-({NAME.pattern})-({NAME.pattern})-({RUN_ID.pattern})")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which run of which pipeline, and who answers for it. The names fit their patterns."""

    environment: str
    pipeline: str
    run_id: str
    owner: str = ""


def name_of(identity: Identity) -> str:
    """Return the name of the run's cluster. EMR has no call that changes a name after the launch."""
    return f"kiln-{identity.environment}-{identity.pipeline}-{identity.run_id}"


def of_name(name: str) -> Identity | None:
    """Return the run that a cluster's name names; None when it is no name that Kiln gives."""
    parts = _CLUSTER_NAME.fullmatch(name)
    return Identity(environment=parts[1], pipeline=parts[2], run_id=parts[3]) if parts else None


def label_of(identity: Identity) -> str:
    """Return the run as the steps that it adds to a shared cluster name it."""
    return f"{identity.environment}/{identity.pipeline}/{identity.run_id}"


def of_label(label: str) -> Identity:
    """Return the run that a label of `of_step_name` names."""
    environment, pipeline, run_id = label.split("/")
    return Identity(environment=environment, pipeline=pipeline, run_id=run_id)


def step_name(name: str, run: str) -> str:
    """Return a step's name at EMR; `run` is the label of its run on a shared cluster, else empty."""
    return f"{name} ({run})" if run else name


def of_step_name(text: str) -> tuple[str, str]:
    """Return a step's own name and the label of its run; the label is empty on clusters of one run."""
    parts = _STEP_NAME.fullmatch(text)
    return (parts[1], parts[2]) if parts else (text, "")


def is_confirmed_by(tags: Mapping[str, str], identity: Identity) -> bool:
    """Return whether tags mark a cluster as Kiln's, of this pipeline and environment.

    The name identifies the run: unlike a tag it cannot be changed.
    """
    expected = {
        "managed_by": MANAGED_BY,
        "environment": identity.environment,
        "pipeline": identity.pipeline,
    }
    return all(tags.get(key) == value for key, value in expected.items())
