"""The status page: its files, and the data that it requests."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from emrbox.config import ACCOUNT_ID
from emrbox.front.page import clusters, logs
from emrbox.front.page.node_pages import NodePages

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from emrbox.config import BoxConfig
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.store import Store
    from emrbox.front.own_api import OwnApi

Document = dict[str, Any]
STATIC = Path(__file__).parent / "static"
# Name below /_emrbox/ -> file and type.
FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    **{name: (name, "text/javascript; charset=utf-8") for name in ("dom.js", "logs.js", "page.js")},
    "page.css": ("page.css", "text/css; charset=utf-8"),
}
# Nothing but these files and this endpoint: names in the box are untrusted data.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def static_file(name: str) -> Response:
    """Return one of the page's own files."""
    file, content_type = FILES[name]
    response = Response((STATIC / file).read_bytes(), content_type=content_type)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"
    return response


class StatusPage:
    """The page's data, and the nodes' own pages.

    `has_node` says whether a node runs at an address; `events` returns the last events, newest first.
    """

    def __init__(
        self,
        config: BoxConfig,
        store: Store,
        has_node: Callable[[str], bool],
        events: Callable[[int], list[Document]],
    ) -> None:
        self.nodes = NodePages(has_node)
        self._config = config
        self._store = store
        self._events = events

    def add_to(self, api: OwnApi) -> None:
        """Offer the files below /_emrbox/ and the data below /_emrbox/page/."""
        for name in FILES:
            api.file(name, partial(static_file, name))
        api.get("page/state", self.state)
        api.get("page/logs", lambda query: logs.listing(self._config, self._cluster(query)))
        api.get("page/node-log", self._node_log)
        api.get("page/stored-log", lambda query: logs.stored_log(self._cluster(query), _wanted(query, "key")))

    def state(self, query: dict[str, str]) -> Document:
        """Return everything that changes.

        `find` in the query is a part of the names, ids or states of the clusters wanted; `cluster` names the
        one whose details come too, the first otherwise.
        """
        now = self._store.clock.now()
        overview = clusters.overview(self._store.all(), now, query.get("find", ""))
        first = next((line["Id"] for line in overview["clusters"]), "")
        found = self._store.find(query.get("cluster") or first)
        return {
            "version": 1,
            "time": clusters.plain(now),
            "box": {
                "account": ACCOUNT_ID,
                "home": str(self._config.home),
                "endpoint": self._config.endpoint_url,
                "network": str(self._config.network),
            },
            **overview,
            "cluster": self._details(found, now) if found else None,
            "events": self._events(clusters.MOST_EVENTS),
            "calls": logs.last_calls(self._config.log_folder / "calls.jsonl"),
        }

    def _details(self, cluster: Cluster, now: datetime) -> Document:
        return clusters.details(cluster, now, lambda step: logs.applications(self._config, cluster, step))

    def _node_log(self, query: dict[str, str]) -> Document:
        cluster = self._cluster(query)
        return logs.node_log(self._config, cluster, _wanted(query, "instance"), _wanted(query, "path"))

    def _cluster(self, query: dict[str, str]) -> Cluster:
        found = self._store.find(_wanted(query, "cluster"))
        if found is None:
            raise ValueError("there is no such cluster")
        return found


def _wanted(query: dict[str, str], name: str) -> str:
    if not query.get(name):
        raise ValueError(f"{name} is missing")
    return query[name]
