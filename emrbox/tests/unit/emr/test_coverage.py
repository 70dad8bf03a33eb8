"""The table of operations says what the service does."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws import protocol
from emrbox.aws.errors import AwsError
from emrbox.emr.api.coverage import COVERAGE, Extent
from emrbox.emr.api.service import APP_UIS, CATALOG, ENDPOINT, READS, SECURITY, WRITES


def test_every_operation_of_the_model_has_an_entry() -> None:
    assert list(COVERAGE) == sorted(protocol.service_model("emr").operation_names)


def test_what_is_called_real_or_partly_exists_and_nothing_else() -> None:
    assert {ENDPOINT, *APP_UIS, *CATALOG, *READS, *SECURITY, *WRITES} == {
        n for n, c in COVERAGE.items() if c.extent is not Extent.NOT_AVAILABLE
    }


def test_every_entry_has_a_source() -> None:
    assert all(c.source and c.behaviour for c in COVERAGE.values())


@pytest.mark.parametrize("name", [n for n, c in COVERAGE.items() if c.extent is Extent.NOT_AVAILABLE])
def test_what_is_not_available_is_refused_with_an_aws_error(emr: Any, name: str) -> None:
    with pytest.raises(AwsError, match="is not available in this region") as refusal:
        emr.call(name)
    assert refusal.value.status == 400
    errors = protocol.service_model("emr").operation_model(name).error_shapes
    assert refusal.value.code in {shape.name for shape in errors}
