"""The setting `emr_cluster_managed_scaling`: limits within which EMR itself changes the number of nodes."""

from __future__ import annotations

from typing import Annotated

from kiln.settings.fields import Count, Model, doc

KEY = "emr_cluster_managed_scaling"


class ManagedScaling(Model, frozen=True, kw_only=True):
    """Limits for all core and task nodes together, in instances; without a maximum there is no scaling."""

    minimum_instances: Annotated[Count, doc("At least this many core and task nodes.")] = 1
    maximum_instances: Annotated[Count, doc("At most this many; 0 for no managed scaling.")] = 0
    maximum_on_demand_instances: Annotated[
        Count | None, doc("At most this many on demand, the others spot instances; all without it.")
    ] = None
    maximum_core_instances: Annotated[
        Count | None, doc("At most this many core nodes, the others task nodes; all without it.")
    ] = None

    @property
    def is_on(self) -> bool:
        """Whether EMR is to scale the cluster."""
        return self.maximum_instances > 0
