"""The session of an account: its profile, and the one config file that may be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore import exceptions as aws

from kiln.errors import PreflightError

if TYPE_CHECKING:
    from pathlib import Path


def core_of(profile: str, config_file: Path | None) -> botocore.session.Session:
    """Return botocore's session for a profile; with `config_file` nothing of ~/.aws is read.

    Raises PreflightError when the file is missing.
    """
    core = botocore.session.Session(profile=profile or None)
    if config_file is not None:
        if not config_file.is_file():
            raise PreflightError(
                f"the AWS config file {config_file} (aws_config_file) does not exist",
                fix="make the account (local: `make local`), or correct aws_config_file",
            )
        core.set_config_variable("config_file", str(config_file))
        core.set_config_variable("credentials_file", os.devnull)
    return core


def session_of(
    core: botocore.session.Session, region: str, profile: str, config_file: Path | None
) -> boto3.Session:
    """Return boto3's session. Raises PreflightError when the file or the profile cannot be used."""
    try:
        return boto3.Session(botocore_session=core, region_name=region)
    except (aws.ConfigParseError, UnicodeDecodeError) as error:
        raise PreflightError(
            f"the AWS config file {config_file or '~/.aws/config'} cannot be read: it is no INI file",
            fix="correct it, or aws_config_file in group_vars",
        ) from error
    except aws.ProfileNotFound as error:
        raise PreflightError(
            f"the AWS profile {profile} (aws_profile) does not exist",
            fix=f"add it to {config_file or '~/.aws/config'}, or correct aws_profile in group_vars",
        ) from error
