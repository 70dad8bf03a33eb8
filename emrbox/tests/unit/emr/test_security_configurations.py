"""Security configurations: kept by name, checked by EMR's members, and what they do to a launch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hollow_emr import HollowEmr

from emrbox.aws.errors import AwsError
from emrbox.emr.api.security_validation import NOT_ON_NODES, not_on_nodes, parsed

IMDS = {
    "InstanceMetadataServiceConfiguration": {
        "MinimumInstanceMetadataServiceVersion": 2,
        "HttpPutResponseHopLimit": 3,
    }
}
AT_REST = {
    "EncryptionConfiguration": {
        "EnableInTransitEncryption": False,
        "EnableAtRestEncryption": True,
        "AtRestEncryptionConfiguration": {"S3EncryptionConfiguration": {"EncryptionMode": "SSE-S3"}},
    }
}
IN_TRANSIT = {
    "EncryptionConfiguration": {
        "EnableInTransitEncryption": True,
        "EnableAtRestEncryption": False,
        "InTransitEncryptionConfiguration": {
            "TLSCertificateConfiguration": {"CertificateProviderType": "PEM", "S3Object": "s3://b/certs.zip"}
        },
    }
}
NOTHING = {"EncryptionConfiguration": {"EnableInTransitEncryption": False, "EnableAtRestEncryption": False}}
ROLES = {"RoleMappings": [{"Role": "arn:aws:iam::1:role/r", "IdentifierType": "User", "Identifiers": ["u"]}]}
KERBEROS = {"KerberosConfiguration": {"Provider": "ClusterDedicatedKdc"}}
ASKS_FOR: dict[str, dict[str, Any]] = {
    "encryption at rest": AT_REST,
    "encryption in transit": IN_TRANSIT,
    "Kerberos": {"AuthenticationConfiguration": KERBEROS},
    "IAM Identity Center": {"AuthenticationConfiguration": {"IdentityCenterConfiguration": {"a": 1}}},
    "IAM roles for EMRFS": {"AuthorizationConfiguration": {"EmrFsConfiguration": ROLES}},
    "runtime roles of steps": {
        "AuthorizationConfiguration": {"IAMConfiguration": {"EnableApplicationScopedIAMRole": True}}
    },
    "Lake Formation": {"LakeFormationConfiguration": {}},
    "Apache Ranger": {"AuthorizationConfiguration": {"RangerConfiguration": {"AdminServerURL": "https://r"}}},
}


def create(emr: Any, document: Any, name: str = "safe") -> dict[str, Any]:
    text = document if isinstance(document, str) else json.dumps(document)
    return dict(emr.call("CreateSecurityConfiguration", Name=name, SecurityConfiguration=text))


@pytest.fixture
def hollow(emr: Any) -> HollowEmr:
    return HollowEmr(emr.run_request)


def test_a_configuration_is_kept_as_it_was_given_until_it_is_deleted(emr: Any) -> None:
    text = json.dumps(AT_REST, indent=4)
    made = create(emr, text)
    shown = emr.call("DescribeSecurityConfiguration", Name="safe")
    assert shown == {**made, "SecurityConfiguration": text}
    assert emr.call("ListSecurityConfigurations") == {"SecurityConfigurations": [made]}
    with pytest.raises(AwsError, match="with name 'safe' already exists") as refusal:
        create(emr, IMDS)
    assert refusal.value.code == "InvalidRequestException"
    emr.call("DeleteSecurityConfiguration", Name="safe")
    for operation in ("DescribeSecurityConfiguration", "DeleteSecurityConfiguration"):
        with pytest.raises(AwsError, match="with name 'safe' does not exist") as refusal:
            emr.call(operation, Name="safe")
        assert refusal.value.code == "InvalidRequestException"
        assert refusal.value.document["ErrorCode"] == "ResourceNotFound"


def test_a_list_has_pages_of_50(emr: Any) -> None:
    for number in range(51):
        create(emr, IMDS, f"c{number}")
    first = emr.call("ListSecurityConfigurations")
    assert len(first["SecurityConfigurations"]) == 50
    last = emr.call("ListSecurityConfigurations", Marker=first["Marker"])
    assert [one["Name"] for one in last["SecurityConfigurations"]] == ["c50"]
    assert "Marker" not in last


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "must be a JSON object"),
        ({}, "at least one member"),
        ({"Encryption": {}}, "Encryption is not a member"),
        ({"EncryptionConfiguration": {}}, "EncryptionConfiguration.EnableInTransitEncryption is required"),
        ({"EncryptionConfiguration": []}, "EncryptionConfiguration must be an object"),
        (
            {"EncryptionConfiguration": {"EnableInTransitEncryption": True, "EnableAtRestEncryption": False}},
            "InTransitEncryptionConfiguration is required",
        ),
        (
            {"EncryptionConfiguration": {**AT_REST["EncryptionConfiguration"], "EnableAtRestEncryption": 1}},
            "EnableAtRestEncryption must be a bool",
        ),
        ({"InstanceMetadataServiceConfiguration": {}}, "MinimumInstanceMetadataServiceVersion is required"),
        (
            {"InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": 3}},
            "MinimumInstanceMetadataServiceVersion must be one of: 1 to 2",
        ),
        (
            {
                "InstanceMetadataServiceConfiguration": {
                    "MinimumInstanceMetadataServiceVersion": 2,
                    "HttpPutResponseHopLimit": 65,
                }
            },
            "HttpPutResponseHopLimit must be one of: 1 to 64",
        ),
    ],
)
def test_what_emr_does_not_know_is_refused(emr: Any, document: Any, message: str) -> None:
    with pytest.raises(AwsError, match=message) as refusal:
        create(emr, document)
    assert refusal.value.code == "InvalidRequestException"


def test_every_example_asks_for_what_it_is_named_by_and_nothing_is_without_one() -> None:
    assert set(ASKS_FOR) == set(NOT_ON_NODES)
    assert {name: not_on_nodes(parsed(json.dumps(one))) for name, one in ASKS_FOR.items()} == {
        name: [name] for name in ASKS_FOR
    }


@pytest.mark.parametrize("name", ASKS_FOR)
def test_nodes_refuse_by_name_what_they_lack_and_hollow_clusters_take_it(
    emr: Any, hollow: HollowEmr, name: str
) -> None:
    create(emr, ASKS_FOR[name])
    with pytest.raises(AwsError, match=f"SecurityConfiguration safe is not available.*no {name};"):
        emr.launch(SecurityConfiguration="safe")
    create(hollow, ASKS_FOR[name])
    assert hollow.state(hollow.launch(SecurityConfiguration="safe")) == "WAITING"


def test_a_launch_shows_its_configuration_and_keeps_what_it_said(emr: Any) -> None:
    create(emr, {**IMDS, **NOTHING})
    cluster_id = emr.launch(SecurityConfiguration="safe")
    emr.call("DeleteSecurityConfiguration", Name="safe")
    assert emr.cluster(cluster_id)["SecurityConfiguration"] == "safe"
    options = emr.store.find(cluster_id).metadata_options
    assert options == {"HttpTokens": "required", "HttpPutResponseHopLimit": 3}


@pytest.mark.parametrize(("version", "tokens"), [(1, "optional"), (2, "required")])
def test_the_version_of_imds_decides_about_tokens_with_one_hop(emr: Any, version: int, tokens: str) -> None:
    create(emr, {"InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": version}})
    cluster = emr.store.find(emr.launch(SecurityConfiguration="safe"))
    assert cluster.metadata_options == {"HttpTokens": tokens, "HttpPutResponseHopLimit": 1}


def test_a_launch_without_one_asks_ec2_for_nothing(emr: Any) -> None:
    assert emr.store.find(emr.launch()).metadata_options == {}
