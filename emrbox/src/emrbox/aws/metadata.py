"""What IMDS answers to a node, read from moto's records at each request."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends

from emrbox.aws.auth import assume_role
from emrbox.config import ACCOUNT_ID, REGION
from emrbox.nodes.metadata_tree import InstanceFacts, RoleCredentials

if TYPE_CHECKING:
    from moto.ec2.models.instances import Instance

# EC2 issues new credentials well before the old ones expire, and keeps both valid.
_VALID = timedelta(hours=6)
_RENEW = timedelta(hours=3)


def timestamp(moment: datetime) -> str:
    """Return a time as IMDS writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def backend_of(instance_id: str) -> Any:
    """Return moto's EC2 of the account that an instance belongs to; the first account's if it is in none."""
    for account in list(ec2_backends.values()):
        backend = account[REGION]
        if any(i.id == instance_id for r in list(backend.reservations.values()) for i in r.instances):
            return backend
    return ec2_backends[ACCOUNT_ID][REGION]


def role_of(instance: Instance) -> Any:
    """Return moto's role in the instance's profile, or None."""
    profile = profile_of(instance)
    return profile.roles[0] if profile is not None and profile.roles else None


def profile_of(instance: Instance) -> Any:
    """Return moto's instance profile of an instance, or None."""
    backend = backend_of(instance.id)
    association = backend.iam_instance_profile_associations.get(instance.id)
    return association.iam_instance_profile if association else None


class MotoFacts:
    """The metadata's source."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[datetime, str, RoleCredentials]] = {}
        self._lock = threading.Lock()

    def facts(self, instance_id: str) -> InstanceFacts:
        """Return what EC2 knows of an instance now."""
        backend = backend_of(instance_id)
        instance = backend.get_instance(instance_id)
        profile = profile_of(instance)
        pair = backend.key_pairs.get(instance.key_name) if instance.key_name else None
        options = instance.metadata_options
        shows_tags = options.instance_metadata_tags == "enabled"
        return InstanceFacts(
            account_id=backend.account_id,
            region=REGION,
            availability_zone=str(instance.availability_zone),
            image_id=instance.image_id,
            instance_type=instance.instance_type,
            launch_index=instance.ami_launch_index,
            launch_time=timestamp(instance.launch_time.replace(tzinfo=UTC)),
            mac=instance.nics[0].mac_address,
            reservation_id=next(r.id for r in backend.reservations.values() if instance in r.instances),
            security_groups=tuple(group.name for group in instance.security_groups),
            instance_profile_arn=profile.arn if profile else None,
            instance_profile_id=profile.id if profile else None,
            public_key=(pair.key_name, public_key_line(pair)) if pair else None,
            tags={tag["key"]: tag["value"] for tag in instance.get_tags()} if shows_tags else None,
            interruption_time=getattr(instance, "interruption_time", None),
            requires_token=options.http_tokens == "required",
            hop_limit=options.http_put_response_hop_limit,
        )

    def credentials(self, instance_id: str) -> RoleCredentials | None:
        """Return the instance role's credentials; the same ones for some hours, as EC2 does."""
        role = role_of(backend_of(instance_id).get_instance(instance_id))
        if role is None:
            return None
        now = datetime.now(UTC)
        with self._lock:
            made, arn, session = self._sessions.get(instance_id, (None, "", None))
            if made is None or session is None or arn != role.arn or now - made > _RENEW:
                keys = assume_role(role.arn, instance_id, duration_seconds=int(_VALID.total_seconds()))
                session = RoleCredentials(
                    access_key_id=keys.access_key_id,
                    secret_access_key=keys.secret_access_key,
                    token=keys.session_token,
                    last_updated=timestamp(now),
                    expiration=timestamp(now + _VALID),
                )
                self._sessions[instance_id] = (now, role.arn, session)
            return session


def public_key_line(pair: Any) -> str:
    """Return a key pair's public key as a line of authorized_keys."""
    material = pair.material_public
    text = material.decode() if isinstance(material, bytes) else str(material)
    return text.strip()
