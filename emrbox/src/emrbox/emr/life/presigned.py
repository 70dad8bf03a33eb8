"""Presigned URLs of application UIs: each opens its UI once, within an hour; then a cookie does, for an hour.

That a URL works once and for an hour was seen (docs/aws_facts.md 7.1); how long its cookie works is a guess.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr.life.tokens import Tokens

if TYPE_CHECKING:
    from emrbox.emr.life.clock import Clock

# emrappui-prod.REGION.amazonaws.com on AWS. Browsers take every name below `localhost` for this machine.
DOMAIN = "emrappui.localhost"
TOKEN = "token"  # noqa: S105  # the name of a parameter
VALID = timedelta(hours=1)


class Presigned:
    """Issues URLs and checks what comes back. A UI's name is the first label of its host."""

    def __init__(self, clock: Clock, port: int) -> None:
        self._port = port
        self._urls = Tokens(clock, VALID)
        self._cookies = Tokens(clock, VALID)

    def url(self, ui: str, path: str) -> str:
        """Return a new URL of a UI's page. `path` begins with / and has no query."""
        token, _ = self._urls.issue(ui.lower())
        return f"http://{ui.lower()}.{DOMAIN}:{self._port}{path}?{TOKEN}={token}"

    def redeem(self, ui: str, token: str) -> str | None:
        """Return a cookie for a URL's token, which ends with that; None if it is not, or no more, valid."""
        is_valid = self._urls.admits(ui.lower(), token, once=True)
        return self._cookies.issue(ui.lower())[0] if is_valid else None

    def admits(self, ui: str, cookie: str) -> bool:
        """Whether a cookie opens the pages of a UI."""
        return self._cookies.admits(ui.lower(), cookie)
