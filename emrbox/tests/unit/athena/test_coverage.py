"""The tables of docs/emrbox.md name what the service does, and the model has it."""

from __future__ import annotations

from botocore.loaders import Loader

from emrbox.athena.coverage import OPERATIONS
from emrbox.athena.service import CATALOG, QUERIES, WORKGROUPS


def test_the_operations_of_the_page_are_those_of_the_service() -> None:
    assert sorted(OPERATIONS) == sorted([*CATALOG, *QUERIES, *WORKGROUPS])
    assert set(OPERATIONS) <= set(Loader().load_service_model("athena", "service-2")["operations"])
