"""Authentication and authorisation (SigV4 signatures, IAM policies) for the services that are not moto's."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from moto.core.exceptions import InvalidClientTokenIdError
from moto.iam.access_control import CreateAccessKeyFailure, IAMRequest, create_access_key
from moto.iam.models import Policy, iam_backends
from moto.sts.models import sts_backends

from emrbox.aws import condition_keys
from emrbox.aws.errors import AwsError
from emrbox.aws.policies import Decision, decide
from emrbox.config import ACCOUNT_ID, REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Request

    from emrbox.aws.patterns import Context

PARTITION = "aws"


@dataclass(frozen=True)
class Key:
    """The key of a request; that of a user has no session token."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None


@dataclass(frozen=True)
class Caller:
    """An authenticated principal. `documents` reads its identity policies as they are now."""

    arn: str
    documents: Callable[[], list[Any]]
    region: str = REGION  # for which the call was signed
    key: Key | None = field(default=None, repr=False)  # with which it was signed

    @property
    def account_id(self) -> str:
        """The account that it belongs to."""
        return self.arn.split(":")[4]

    def may(self, action: str, resource: str = "*", context: Context | None = None) -> bool:
        """Return whether the caller's policies allow `action`."""
        return self._decide(action, resource, context) is Decision.ALLOW

    def require(self, action: str, resource: str = "*", context: Context | None = None) -> None:
        """Raise AccessDeniedException, as AWS words it, unless the caller's policies allow `action`."""
        decision = self._decide(action, resource, context)
        if decision is Decision.ALLOW:
            return
        why = (
            "with an explicit deny in an identity-based policy"
            if decision is Decision.DENY
            else f"because no identity-based policy allows the {action} action"
        )
        on = f" on resource: {resource}" if resource != "*" else ""
        raise AwsError(
            "AccessDeniedException", f"User: {self.arn} is not authorized to perform: {action}{on} {why}"
        )

    def _decide(self, action: str, resource: str, context: Context | None) -> Decision:
        known = {**condition_keys.of_caller(self.arn, self.region), **(context or {})}
        return decide(self.documents(), action, resource, known)


class _SignedRequest(IAMRequest):  # type: ignore[misc]  # moto publishes no types
    """moto's parser of a signed request, with the error codes of the JSON services."""

    def _raise_signature_does_not_match(self) -> NoReturn:
        raise AwsError(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details.",
        )

    def _raise_invalid_access_key(self, _: str) -> NoReturn:
        raise AwsError(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )


def authenticate(request: Request, body: bytes, operation: str) -> Caller:
    """Check the signature of a request to a JSON service and return its caller. Refusals are AwsError."""
    authorization = request.headers.get("Authorization")
    if not authorization:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
    try:
        signed = _SignedRequest(
            account_id=account_of(authorization),
            method=request.method,
            path=request.full_path.rstrip("?"),
            data={},
            body=body,
            headers=request.headers,
            action=operation,
        )
        signed.check_signature()
    except (KeyError, IndexError, ValueError) as problem:
        raise AwsError("IncompleteSignatureException", "Authorization header is not complete") from problem
    key = signed._access_key  # noqa: SLF001  # moto keeps the caller nowhere else

    def documents() -> list[Any]:
        return [policy_document(policy) for policy in key.collect_policies()]

    signed_with = Key(
        key._access_key_id,  # noqa: SLF001
        key._secret_access_key,  # noqa: SLF001
        getattr(key, "_session_token", None),  # a user's key has none
    )
    return Caller(key.arn, documents, signed_region(authorization), signed_with)


def account_of(authorization: str) -> str:
    """Return the account whose access key signed a request; the first account's if the key is unknown."""
    access_key_id = authorization.partition("Credential=")[2].partition("/")[0]
    for account_id, partitions in list(iam_backends.items()):
        if PARTITION in partitions.keys() and access_key_id in partitions[PARTITION].access_keys:  # noqa: SIM118  # moto's `in` is another
            return str(account_id)
    return ACCOUNT_ID


def signed_region(authorization: str) -> str:
    """Return the region in the credential scope of a signature, which has been checked."""
    return authorization.partition("Credential=")[2].split("/")[2]


def role_caller(role_name: str, account_id: str = ACCOUNT_ID) -> Caller:
    """Return a role as a caller, to ask what it may do."""
    backend = iam_backends[account_id][PARTITION]
    role = backend.get_role(role_name)

    def documents() -> list[Any]:
        inline = [backend.get_role_policy(role_name, n)[1] for n in backend.list_role_policies(role_name)]
        attached, _ = backend.list_attached_role_policies(role_name)
        return [policy_document(policy) for policy in [*inline, *attached]]

    return Caller(role.arn, documents)


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of a role session."""

    access_key_id: str
    secret_access_key: str
    session_token: str


_assume_lock = threading.Lock()


def assume_role(role_arn: str, session_name: str, *, duration_seconds: int = 6 * 3600) -> Credentials:
    """Make a session of a role for a service (trust in a service principal is the caller's to check)."""
    with _assume_lock:
        session = sts_backends[role_arn.split(":")[4]][PARTITION].assume_role(
            region_name=REGION,
            role_session_name=session_name,
            role_arn=role_arn,
            policy="",
            duration=duration_seconds,
            external_id="",
        )
    return Credentials(session.access_key_id, session.secret_access_key, session.session_token)


def principal_of(authorization: str, session_token: str | None) -> str | None:
    """Name the principal behind an Authorization header for the call log; None when unknown."""
    access_key_id = authorization.partition("Credential=")[2].partition("/")[0]
    headers = {"X-Amz-Security-Token": session_token} if session_token else {}
    try:
        return str(create_access_key(account_of(authorization), PARTITION, access_key_id, headers).arn)
    except (CreateAccessKeyFailure, InvalidClientTokenIdError, RuntimeError):
        return None


def policy_document(policy: Any) -> Any:
    """Return the document of a policy as moto keeps it: managed, of a user or role, or a text.

    A text that is no JSON gives None, which `decide` takes for malformed.
    """
    if isinstance(policy, Policy):
        text = next(version.document for version in policy.versions if version.is_default)
    else:
        text = policy if isinstance(policy, str) else policy["policy_document"]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
