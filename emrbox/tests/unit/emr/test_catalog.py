"""The catalogue of releases: labels by region, applications with versions, instance types."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from emrbox.aws.auth import Caller
from emrbox.aws.errors import AwsError
from emrbox.emr import application_versions, instance_types, releases, storage
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.store import Store

EVERYTHING = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def call_in(emr: Any, region: str, operation: str, **request: Any) -> Any:
    caller = Caller("arn:aws:iam::123456789012:user/tester", lambda: [EVERYTHING], region)
    return emr.service.call(operation, request, caller)


def labels(emr: Any, **filters: str) -> list[str]:
    return list(emr.call("ListReleaseLabels", Filters=filters)["ReleaseLabels"])


def versions(emr: Any, label: str) -> dict[str, str | None]:
    found = emr.call("DescribeReleaseLabel", ReleaseLabel=label)["Applications"]
    return {one["Name"]: one.get("Version") for one in found}


def test_labels_are_listed_newest_first_by_prefix_and_application(emr: Any) -> None:
    listed = emr.call("ListReleaseLabels")["ReleaseLabels"]
    assert listed[0] == "emr-7.13.0"
    assert {"emr-5.20.0", "emr-5.29.0", "emr-6.15.0", "emr-spark-8.0.0"} <= set(listed)
    assert labels(emr, Prefix="emr-6.1") == [
        *("emr-6.15.0", "emr-6.14.0", "emr-6.13.0", "emr-6.12.0", "emr-6.11.1", "emr-6.11.0"),
        *("emr-6.10.1", "emr-6.10.0", "emr-6.1.1", "emr-6.1.0"),
    ]
    assert labels(emr, Application="spark@2.4.5") == ["emr-5.30.2", "emr-5.30.1", "emr-5.30.0"]
    assert labels(emr, Prefix="emr-6", Application="PrestoSQL")[-1] == "emr-6.1.0"
    assert labels(emr, Application="Nonesuch") == []


def test_labels_are_listed_in_pages(emr: Any) -> None:
    first = emr.call("ListReleaseLabels", MaxResults=3)
    second = emr.call("ListReleaseLabels", MaxResults=3, NextToken=first["NextToken"])
    assert [*first["ReleaseLabels"], *second["ReleaseLabels"]] == emr.call("ListReleaseLabels")[
        "ReleaseLabels"
    ][:6]


def test_a_release_has_the_applications_of_its_table(emr: Any) -> None:
    old, new = versions(emr, "emr-5.29.0"), versions(emr, "emr-7.13.0")
    assert (old["Spark"], old["Hadoop"], old["Hive"], old["Mahout"]) == ("2.4.4", "2.8.5", "2.3.6", "0.13.0")
    assert (new["Spark"], new["Hadoop"], new["Trino"]) == ("3.5.6", "3.4.2", None)
    assert "Mahout" not in new
    assert "Ganglia" not in new
    patched = (versions(emr, "emr-5.30.0"), versions(emr, "emr-5.30.2"))
    assert patched[0] == patched[1]


def test_every_change_in_the_table_is_of_a_release_that_is_listed() -> None:
    known = {tuple(map(int, label[4:].split("."))) for label in releases.RELEASES if label[4].isdigit()}
    for name, changes in application_versions.CHANGES.items():
        since = [tuple(map(int, change.split("=")[0].split("."))) for change in changes.split()]
        assert since == sorted(set(since)), name
        assert all((*one, 0) in known for one in since), name


def test_every_region_has_its_catalogue_and_no_clusters_but_one(emr: Any) -> None:
    cluster_id = emr.launch()
    assert call_in(emr, "us-east-1", "ListClusters")["Clusters"][0]["Id"] == cluster_id
    assert "emr-7.13.0" in call_in(emr, "eu-west-1", "ListReleaseLabels")["ReleaseLabels"]
    assert "emr-5.20.0" not in call_in(emr, "ca-west-1", "ListReleaseLabels")["ReleaseLabels"]
    assert call_in(emr, "eu-west-1", "ListSupportedInstanceTypes", ReleaseLabel="emr-7.13.0")
    assert call_in(emr, "eu-west-1", "ListClusters") == {"Clusters": []}
    with pytest.raises(AwsError, match="is not valid"):
        call_in(emr, "eu-west-1", "DescribeCluster", ClusterId=cluster_id)
    with pytest.raises(AwsError, match="emrbox has them in us-east-1"):
        call_in(emr, "eu-west-1", "RunJobFlow", **emr.run_request())


@pytest.mark.parametrize("label", ["emr-5.29.0", "emr-7.13.0"])
def test_a_cluster_of_an_older_release_shows_the_software_of_its_nodes(emr: Any, label: str) -> None:
    cluster = emr.cluster(emr.launch(ReleaseLabel=label, Applications=[{"Name": "Spark"}]))
    assert cluster["ReleaseLabel"] == label
    assert cluster["Applications"] == [
        {"Name": "Hadoop", "Version": "3.4.1"},
        {"Name": "Spark", "Version": "4.0.2"},
    ]


def test_a_hollow_cluster_shows_the_applications_of_its_release(emr: Any) -> None:
    hollow = Hollow(clock=emr.clock)
    hollow.scripts.all_launches = True
    emr.store = emr.service._store = Store(emr.clock, emr._driver_of, str, hollow)
    cluster_id = emr.launch(ReleaseLabel="emr-5.29.0", Applications=[{"Name": "hive"}, {"Name": "Spark"}])
    assert emr.until(cluster_id, "WAITING")["Applications"] == [
        {"Name": "Hadoop", "Version": "2.8.5"},
        {"Name": "Hive", "Version": "2.3.6"},
        {"Name": "Spark", "Version": "2.4.4"},
    ]


def types_of(emr: Any, label: str) -> dict[str, Any]:
    found, marker = [], None
    while True:
        answer = emr.call("ListSupportedInstanceTypes", ReleaseLabel=label, Marker=marker)
        found += answer["SupportedInstanceTypes"]
        if (marker := answer.get("Marker")) is None:
            return {one["Type"]: one for one in found}


def test_instance_types_are_those_of_the_release(emr: Any) -> None:
    assert {"m6i.xlarge", "m7g.xlarge"} <= set(types_of(emr, "emr-7.13.0")) - set(types_of(emr, "emr-5.29.0"))
    assert {"m5.xlarge", "c1.medium"} <= set(types_of(emr, "emr-5.29.0"))


def test_instance_types_have_every_member_of_the_model(emr: Any) -> None:
    model: Any = botocore.session.get_session().get_service_model("emr")
    found = types_of(emr, "emr-7.13.0")
    members = frozenset(model.shape_for("SupportedInstanceType").members)
    assert {frozenset(one) for one in found.values()} == {members}
    assert (found["m5.xlarge"]["StorageGB"], found["m5.xlarge"]["NumberOfDisks"]) == (0, 0)
    assert (found["m5d.4xlarge"]["StorageGB"], found["m5d.4xlarge"]["NumberOfDisks"]) == (600, 2)
    assert found["m7g.2xlarge"] == {
        "Type": "m7g.2xlarge",
        "MemoryGB": 32.0,
        "StorageGB": 0,
        "NumberOfDisks": 0,
        "VCPU": 8,
        "Is64BitsOnly": True,
        "EbsOptimizedAvailable": True,
        "EbsOptimizedByDefault": True,
        "EbsStorageOnly": True,
        "InstanceFamilyId": "m7g",
        "Architecture": "AARCH64",
    }


def test_larger_types_get_larger_default_volumes_and_count_for_more_hours(emr: Any) -> None:
    found = {name: storage.block_devices(name, {}) for name in types_of(emr, "emr-7.13.0")}
    sizes = {name: [one["VolumeSpecification"]["SizeInGB"] for one in found[name]] for name in found}
    assert sizes["m4.large"] == [32]
    assert sizes["m5.xlarge"] == [32, 32]
    assert (sizes["m5.2xlarge"], sizes["m5.24xlarge"], sizes["i3.xlarge"]) == ([32] * 4, [384] * 4, [])
    units = {name: instance_types.by_name()[name].units_per_hour for name in found}
    assert (units["m1.small"], units["m4.large"], units["m5.xlarge"], units["c5.9xlarge"]) == (1, 4, 8, 72)


def test_nodes_have_one_cpu_architecture_and_clusters_without_nodes_all(emr: Any) -> None:
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m7g.xlarge", "InstanceCount": 1}]
    instances = {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True}
    with pytest.raises(AwsError, match=r"m7g.xlarge \(AARCH64\) is not available .* emrbox:hollow"):
        emr.launch(ReleaseLabel="emr-7.13.0", Instances=instances)
    with pytest.raises(AwsError, match=r"'m7g.xlarge' is not supported"):
        emr.launch(ReleaseLabel="emr-5.29.0", Instances=instances)
    hollow = Hollow(clock=emr.clock)
    hollow.scripts.all_launches = True
    emr.store = emr.service._store = Store(emr.clock, emr._driver_of, str, hollow)
    cluster_id = emr.launch(ReleaseLabel="emr-7.13.0", Instances=instances)
    assert emr.until(cluster_id, "WAITING")["Id"] == cluster_id
