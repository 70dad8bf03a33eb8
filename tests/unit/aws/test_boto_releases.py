"""What EMR answers about a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from kiln.errors import AwsError

if TYPE_CHECKING:
    from kiln.aws.boto import Boto

LABEL = {"ReleaseLabel": "emr-7.10.0"}


def test_a_release_has_its_applications(boto: Boto) -> None:
    listed = [{"Name": "Hadoop", "Version": "3.4.1"}, {"Name": "Spark", "Version": "3.5.6"}]
    with Stubber(boto._emr) as emr:
        emr.add_response("describe_release_label", LABEL | {"Applications": listed}, LABEL)
        assert boto.release_applications("emr-7.10.0") == ("Hadoop", "Spark")


@pytest.mark.parametrize("code", ["InvalidRequestException", "ValidationException"])
def test_a_release_that_is_refused_is_none(boto: Boto, code: str) -> None:
    with Stubber(boto._emr) as emr:
        emr.add_client_error("describe_release_label", code, "no", 400)
        assert boto.release_applications("emr-7.10.0") is None


def test_another_refusal_is_an_error(boto: Boto) -> None:
    with Stubber(boto._emr) as emr:
        emr.add_client_error("describe_release_label", "AccessDeniedException", "no", 400)
        with pytest.raises(AwsError):
            boto.release_applications("emr-7.10.0")


def test_the_instance_types_of_all_pages_count(boto: Boto) -> None:
    with Stubber(boto._emr) as emr:
        for marker, name, following in (({}, "m5.xlarge", "2"), ({"Marker": "2"}, "r5.xlarge", "")):
            page = {"SupportedInstanceTypes": [{"Type": name}]} | ({"Marker": following} if following else {})
            emr.add_response("list_supported_instance_types", page, LABEL | marker)
        assert boto.supported_instance_types("emr-7.10.0") == {"m5.xlarge", "r5.xlarge"}
