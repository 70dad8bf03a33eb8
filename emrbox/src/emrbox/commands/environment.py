"""`emrbox env`: the lines with which a shell's AWS clients reach the box as its administrator.

A profile, and no keys in the environment: every process of the shell could read those, and a client that is
given a profile by its own settings (Ansible's amazon.aws) refuses to work when it finds both. For the same
reason the keys that the shell has so far are unset; botocore would also prefer them to the profile. `ssh` and
`scp` reach the nodes by their names.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from emrbox.box import ssh_client, state
from emrbox.config import REGION, emr_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# What would make a client use other credentials, another profile or another endpoint (botocore's
# configprovider and credentials modules; amazon.aws's doc fragment `common.modules`).
_UNSET = (
    *("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
    *("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_DEFAULT_PROFILE"),
    *("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CREDENTIAL_EXPIRATION"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    *("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_URL"),
)
_UNSET_PREFIX = "AWS_ENDPOINT_URL_"  # of one service


def shell_lines(home: Path, shell: Mapping[str, str]) -> Iterator[str]:
    """Yield lines for `eval` in a POSIX shell that has these variables. BoxError when no box runs."""
    exported = variables(home)
    unset = [name for name in shell if name in _UNSET or name.startswith(_UNSET_PREFIX)]
    if conflicting := set(unset) - set(exported):
        yield f"unset {' '.join(sorted(conflicting))}"
    for name, value in exported.items():
        yield f"export {name}={shlex.quote(value)}"
    programs = str(ssh_client.folder_of(home))
    if programs not in shell.get("PATH", "").split(":"):
        yield f'export PATH={shlex.quote(programs)}:"$PATH"'


def variables(home: Path) -> dict[str, str]:
    """Return the variables that lead any AWS client to the running box. BoxError when none runs."""
    running = state.running(home)
    return {
        "AWS_CONFIG_FILE": str(home / "aws" / "config"),
        # An empty file: the user's own keys must never be used with the box, nor the box's keys with AWS.
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws" / "credentials"),
        "AWS_PROFILE": "emrbox",
        "AWS_ENDPOINT_URL": running.endpoint,
        "AWS_ENDPOINT_URL_EMR": emr_endpoint(running.endpoint),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # This machine, as nodes and the rules of their security groups see it.
        "EMRBOX_HOST_CIDR": f"{running.host_address}/32",
    }
