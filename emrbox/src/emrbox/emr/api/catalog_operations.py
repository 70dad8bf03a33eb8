"""EMR's operations on its catalogue: releases, their applications and instance types, in every region.

Each takes the region of the call and a request that fits the model, and answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import invalid_request
from emrbox.emr import instance_types, releases
from emrbox.emr.api import views
from emrbox.emr.api.paging import page

if TYPE_CHECKING:
    from emrbox.emr.releases import Release

Document = dict[str, Any]
LABELS_A_PAGE = 100  # the most that MaxResults may ask for (model)
TYPES_A_PAGE = 100


def list_release_labels(region: str, request: Document) -> Document:
    """Return labels, the newest first, that have a prefix and an application (`spark`, `spark@3.5.6`)."""
    filters = request.get("Filters", {})
    prefix, application = filters.get("Prefix", ""), filters.get("Application", "")
    found = [
        release.label
        for release in releases.in_region(region)
        if release.label.startswith(prefix) and _has(release, application)
    ]
    size = request.get("MaxResults", LABELS_A_PAGE)
    shown, token = page(found, request.get("NextToken"), str, size=size)
    return views.present({"ReleaseLabels": shown, "NextToken": token})


def describe_release_label(region: str, request: Document) -> Document:
    """Return the applications of a release."""
    release = _release(region, request.get("ReleaseLabel", ""))
    applications = [views.application(*pair) for pair in release.applications.items()]
    available = release.os_release and [{"Label": release.os_release}]
    return views.present(
        {"ReleaseLabel": release.label, "Applications": applications, "AvailableOSReleases": available}
    )


def list_supported_instance_types(region: str, request: Document) -> Document:
    """Return the instance types that a release runs on."""
    release = _release(region, request["ReleaseLabel"])
    supported = releases.types_of(release.label)
    types = [one for one in instance_types.by_name().values() if one.name in supported]
    shown, marker = page(types, request.get("Marker"), lambda one: one.name, size=TYPES_A_PAGE)
    documents = [
        {
            "Type": t.name,
            "MemoryGB": t.memory_gb,
            # What they have themselves: 0 of those that have EBS volumes only (model).
            "StorageGB": t.disks[0] * t.disks[1],
            "NumberOfDisks": t.disks[0],
            "VCPU": t.vcpu,
            "Is64BitsOnly": t.is_64_bits_only,
            "EbsOptimizedAvailable": t.ebs_optimized != "unsupported",
            "EbsOptimizedByDefault": t.ebs_optimized == "default",
            "EbsStorageOnly": t.ebs_only,
            "InstanceFamilyId": t.family,
            "Architecture": t.architecture,
        }
        for t in shown
    ]
    return views.present({"SupportedInstanceTypes": documents, "Marker": marker})


def _has(release: Release, application: str) -> bool:
    """Whether a release has an application, in any version or in the one that is given."""
    name, _, version = application.lower().partition("@")
    versions = {known.lower(): number for known, number in release.applications.items()}
    return not name or (name in versions and version in {"", versions[name]})


def _release(region: str, label: str) -> Release:
    found = next((one for one in releases.in_region(region) if one.label == label), None)
    if found is None:
        raise invalid_request(f"Release label '{label[:60]}' is not valid.")
    return found
