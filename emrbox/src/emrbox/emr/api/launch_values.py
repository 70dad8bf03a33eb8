"""Values of a launch that its release or emrbox does not have. The words of these refusals are a guess.

Sources: botocore's model (from which release on), docs/aws_facts.md 2.5, 2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import validation_error
from emrbox.emr import releases, storage

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG_KEYS_FROM, NO_LOG_KEYS = "5.30.0", "emr-6.0.0"


def check(request: Mapping[str, Any], *, is_hollow: bool) -> None:
    """Check a RunJobFlow request whose release is known. Raises ValidationException."""
    label = request["ReleaseLabel"]
    _check_root_volume(request, label)
    has_log_keys = not releases.is_before(label, LOG_KEYS_FROM) and label != NO_LOG_KEYS
    if request.get("LogEncryptionKmsKeyId") and not has_log_keys:
        raise validation_error(f"LogEncryptionKmsKeyId is not supported in release {label}.")
    if request.get("ScaleDownBehavior") == "TERMINATE_AT_INSTANCE_HOUR":
        raise validation_error(
            "ScaleDownBehavior TERMINATE_AT_INSTANCE_HOUR is not available in this region: emrbox ends nodes "
            "at task completion only."
        )
    system = releases.RELEASES[label].os_release
    if request.get("OSReleaseLabel") not in {None, "", system} and not is_hollow:
        raise validation_error(
            "OSReleaseLabel is not available in this region: nodes of emrbox have one system; clusters "
            "without nodes (tag emrbox:hollow) take it."
        )


def _check_root_volume(request: Mapping[str, Any], label: str) -> None:
    least, most = releases.least_root_gb(label), storage.MOST_ROOT_GB
    if not least <= request.get("EbsRootVolumeSize", least) <= most:
        raise validation_error(f"The EBS root volume size must be between {least} and {most} GiB.")
    for name, (unit, values) in storage.GP3_VALUES.items():
        member = f"EbsRootVolume{name}"
        if member not in request:
            continue
        if releases.is_before(label, storage.GP3_ROOT_FROM):
            raise validation_error(f"{member} is not supported in release {label}.")
        if request[member] not in values:
            raise validation_error(f"{member} must be between {values[0]} and {values[-1]} {unit}.")
