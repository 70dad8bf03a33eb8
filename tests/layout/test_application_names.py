"""Kiln's check of applications knows every application of the releases that emrbox lists."""

from __future__ import annotations

from emrbox.emr.application_versions import CHANGES, SPARK_8
from kiln.settings.cluster_software import APPLICATIONS


def test_kiln_knows_the_applications_of_every_release() -> None:
    assert {*CHANGES, *SPARK_8} == set(APPLICATIONS)
