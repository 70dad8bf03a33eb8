"""The setting `kiln_cloudwatch_logs`: where the driver sends what steps write, as they write it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from kiln.settings.fields import Model, doc

KEY = "kiln_cloudwatch_logs"


class CloudwatchLogs(Model, frozen=True, kw_only=True):
    """A log group and a log stream. Without a group nothing is sent.

    Patterns: botocore's model of CloudWatch Logs, LogGroupName and LogStreamName.
    """

    group: Annotated[
        str,
        Meta(pattern=r"^[.\-_/#A-Za-z0-9]{0,512}\Z", title="the name of a log group, like /kiln/prod/clicks"),
        doc("Log group of CloudWatch Logs; it must exist."),
    ] = ""
    stream: Annotated[
        str,
        Meta(pattern=r"^[^:*]{0,512}\Z", title="the name of a log stream, without `:` and `*`"),
        doc("Log stream; it is made when it is missing. Empty for one stream a run: PIPELINE/RUN_ID."),
    ] = ""
