"""The clients of boto3 behind the real effects: one attempt of each call, errors of kiln.errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore import exceptions as aws
from botocore.config import Config
from botocore.parsers import ResponseParserError

from kiln.aws import session
from kiln.aws.translate import translate
from kiln.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# All that botocore raises for a call.
FAILURES = (aws.BotoCoreError, aws.ClientError, ResponseParserError)
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=30)


@contextmanager
def allowing(*codes: str) -> Iterator[None]:
    """Let refusals with these codes pass: they report what the caller wants to know, or to have."""
    try:
        yield
    except AwsError as error:
        if error.code not in codes:
            raise


class Clients:
    """Clients of the account that a profile stands for.

    An empty `profile` means botocore's usual chain (environment, instance role). With `config_file` only
    that file is read, so that nothing of the caller's own ~/.aws is used by mistake.
    """

    def __init__(self, *, region: str, profile: str = "", config_file: Path | None = None) -> None:
        core = session.core_of(profile, config_file)
        self._session = session.session_of(core, region, profile, config_file)
        # Passed explicitly, so that an AWS_ENDPOINT_URL of the caller's shell cannot send the keys elsewhere.
        self._endpoint = core.get_scoped_config().get("endpoint_url") if config_file else None

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return the client of a service, `emr` or `s3`; in the profile's region unless another is named."""
        try:
            # Any: the service is a variable here, and the typed clients have one overload a service.
            factory: Any = self._session.client
            return factory(service, region_name=region, config=_CONFIG, endpoint_url=self._endpoint)
        except aws.BotoCoreError as error:
            raise translate(error, f"a client for {service}", "") from error

    def call(self, client: Any, operation: str, **parameters: Any) -> Any:
        """Make one call. Raises the errors of kiln.errors."""
        try:
            return getattr(client, operation)(**parameters)
        except FAILURES as error:
            name = client.meta.method_to_api_mapping[operation]
            raise translate(error, name, client.meta.endpoint_url) from error

    def pages(self, client: Any, operation: str, **parameters: Any) -> list[Any]:
        """Return all pages of a call."""
        try:
            return list(client.get_paginator(operation).paginate(**parameters))
        except FAILURES as error:
            name = client.meta.method_to_api_mapping[operation]
            raise translate(error, name, client.meta.endpoint_url) from error
