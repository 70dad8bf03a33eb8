"""The pages of application UIs, for a browser on the host that has opened a presigned URL.

    http://j-abc.emrappui.localhost:4566/cluster     YARN's ResourceManager of a cluster; /rm leads there, too
    http://j-abc.emrappui.localhost:4566/shs/        Spark's history server on the same node
    http://p-abc.emrappui.localhost:4566/shs/        a history server off the cluster

Hosts and paths are as on AWS but for the domain. Each UI is an origin of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from werkzeug.utils import redirect

from emrbox.emr.default_configurations import HISTORY_SERVER_PORT, RESOURCE_MANAGER_HTTP_PORT
from emrbox.emr.life.presigned import DOMAIN, TOKEN, VALID
from emrbox.front.page import relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Request, Response

    from emrbox.emr.life.presigned import Presigned

COOKIE = "emrbox-app-ui"
HISTORY = "/shs"
# Path -> where it leads, on and off clusters.
FIRST_PAGES = {
    "j": {"/": "/cluster", "/rm": "/cluster", HISTORY: f"{HISTORY}/"},
    "p": {"/": f"{HISTORY}/", HISTORY: f"{HISTORY}/"},
}
_HOST = re.compile(r"([jp]-[a-z0-9]{1,30})\." + re.escape(DOMAIN))


class AppPages:
    """Lets in who has a presigned URL. `address_of` returns where a UI is served now, by its name."""

    def __init__(self, presigned: Presigned, address_of: Callable[[str], str | None]) -> None:
        self._presigned = presigned
        self._address_of = address_of

    def site(self, request: Request) -> Response | None:
        """Answer a request for a page of an application UI; None for all others."""
        host = request.host.partition(":")[0].lower()
        if not host.endswith(f".{DOMAIN}"):
            return None
        named = _HOST.fullmatch(host)
        if named is None:
            return relay.say(404, "no application UI has this name")
        return relay.refusal(request) or self._answer(named[1], request)

    def _answer(self, ui: str, request: Request) -> Response:
        if TOKEN in request.args:
            return self._let_in(ui, request)
        if not self._presigned.admits(ui, request.cookies.get(COOKIE, "")):
            return relay.say(403, "open a new presigned URL: EMR's API gives one to who may have it")
        if (first := FIRST_PAGES[ui[0]].get(request.path)) is not None:
            return redirect(first)
        address, sent = self._address_of(ui), request.environ["REQUEST_URI"]
        is_history = sent.startswith(f"{HISTORY}/")
        if address is None or (ui.startswith("p-") and not is_history):
            return relay.say(404, "nothing is served here, or not any more")
        if is_history:
            path = sent.removeprefix(HISTORY)
            return relay.fetch(request, relay.Page(address, HISTORY_SERVER_PORT, path, HISTORY))
        return relay.fetch(request, relay.Page(address, RESOURCE_MANAGER_HTTP_PORT, sent, prefix=""))

    def _let_in(self, ui: str, request: Request) -> Response:
        cookie = self._presigned.redeem(ui, request.args[TOKEN])
        if cookie is None:
            return relay.say(403, "this URL was used already, or has expired: ask for another one")
        answer = redirect(request.path)
        answer.set_cookie(COOKIE, cookie, max_age=int(VALID.total_seconds()), httponly=True, samesite="Lax")
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer
