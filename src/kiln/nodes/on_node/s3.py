"""Objects in S3, with the node's own role: by curl, which starts at once, or by the AWS CLI.

The CLI takes half a second of the processor to start, on every node. curl 7.88 signs what S3 wants signed
(curl(1), --aws-sigv4); older releases leave out headers, and S3 refuses. Whatever curl cannot do, the CLI is
asked for: another region, no role of the instance, an older curl, a lost connection.
"""

from __future__ import annotations

import json
import os

from kiln.nodes.on_node.items import finished_run, run

# IMDSv2 (Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata").
_METADATA = "http://169.254.169.254/latest"
_TOKEN_SECONDS = 60
_ROLES = "meta-data/iam/security-credentials/"
_QUICK = ("--noproxy", "*", "--connect-timeout", "2", "--max-time", "5")
_DONE = "200"
_PATIENT = ("--connect-timeout", "5", "--speed-limit", "1000", "--speed-time", "30")


def get(address: str, target: str) -> None:
    """Fetch an object. Raises ItemError."""
    if not _done(address, (("output", target),)):
        run(["aws", "s3", "cp", "--no-progress", address, target], shown="aws s3 cp")


def put(source: str, address: str) -> None:
    """Store a file as an object. Raises ItemError."""
    if not _done(address, (("upload-file", source),)):
        run(["aws", "s3", "cp", "--no-progress", source, address], shown="aws s3 cp")


def _done(address: str, options: tuple[tuple[str, str], ...]) -> bool:
    """Let curl send one request; return whether S3 has done it."""
    try:
        region, domain, key, secret, session = _found_by_instance()
    except (LookupError, ValueError):
        return False
    bucket, _, name = address[len("s3://") :].partition("/")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    wanted = (
        *options,
        ("url", f"{endpoint or f'https://s3.{region}.{domain}'}/{bucket}/{name}"),
        ("aws-sigv4", f"aws:amz:{region}:s3"),
        ("user", f"{key}:{secret}"),
        ("header", f"x-amz-security-token: {session}"),
        ("header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"),
        ("write-out", "%{http_code}"),
    )
    # curl takes a redirection for success: S3 redirects to a bucket's own region.
    return _curl(_PATIENT, wanted) == _DONE


def _found_by_instance() -> tuple[str, str, str, str, str]:
    """Return region, domain, and the credentials of the instance's role: key, secret, session token."""
    token = _metadata(("api/token",), "PUT", f"X-aws-ec2-metadata-token-ttl-seconds: {_TOKEN_SECONDS}")[0]
    shown = f"X-aws-ec2-metadata-token: {token}"
    places = ("meta-data/placement/region", "meta-data/services/domain", _ROLES)
    region, domain, role = _metadata(places, "GET", shown)
    found = json.loads("".join(_metadata((_ROLES + role,), "GET", shown)))
    return region, domain, found["AccessKeyId"], found["SecretAccessKey"], found["Token"]


def _metadata(paths: tuple[str, ...], method: str, header: str) -> list[str]:
    """Return the words of what stands at these paths."""
    urls = tuple(("url", f"{_METADATA}/{path}") for path in paths)
    answer = _curl(_QUICK, (*urls, ("request", method), ("header", header), ("write-out", " ")))
    if answer is None:
        raise ValueError(paths)
    return answer.split()


def _curl(limits: tuple[str, ...], wanted: tuple[tuple[str, str], ...]) -> str | None:
    """Return what curl printed, None when it failed. Through its standard input: arguments can be seen."""
    if any('"' in value or "\\" in value or not value.isprintable() for _, value in wanted):
        return None
    lines = "".join(f'{name} = "{value}"\n' for name, value in wanted)
    try:
        finished = finished_run(["curl", "-q", "--silent", "--fail", *limits, "--config", "-"], given=lines)
    except OSError:  # there is none
        return None
    return str(finished.stdout) if finished.returncode == 0 else None
