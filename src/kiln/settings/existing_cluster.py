"""The setting `emr_cluster_existing`: a cluster that others have launched, which a run only uses."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kiln.identity import CLUSTER_ID
from kiln.settings.fields import Model, Text, doc

KEY = "emr_cluster_existing"


class ExistingCluster(Model, frozen=True, kw_only=True):
    """A cluster by its id or by its tags; with neither, each run launches one of its own."""

    id: Annotated[
        str,
        Meta(pattern=rf"^(?:{CLUSTER_ID.pattern})?\Z", title="the id of a cluster, like j-2AXXXXXXGAPLF"),
        doc("Id of the cluster."),
    ] = ""
    tags: Annotated[
        dict[Text, str], doc("Tags that exactly one cluster has which can take steps, in place of an id.")
    ] = msgspec.field(default_factory=dict)
    provision: Annotated[bool, doc("Put the pipeline's OS packages and Python environment on it.")] = False
    deploy: Annotated[bool, doc("Put the pipeline's model repo and secrets on it.")] = False

    @property
    def is_named(self) -> bool:
        """Return whether runs use an existing cluster."""
        return bool(self.id or self.tags)
