"""Links of a task to its run's report, which is the ledger, and to its logs: pages of the AWS console.

Airflow 3 makes links where the task runs. 2.11 makes them in its web server, which knows them by the plugin:
an entry point of this distribution, or a file in Airflow's plugins folder that imports KilnPlugin.
"""

from __future__ import annotations

from typing import Any, ClassVar

from kiln_airflow.console import page
from kiln_airflow.versions import AirflowPlugin, BaseOperatorLink, XCom

# What a task has printed last, also when it has failed.
RESULT_KEY = "kiln_result"


class _Link(BaseOperatorLink):
    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002  # Airflow's signature
        """Return the address, or nothing while the task has printed none."""
        result = XCom.get_value(ti_key=ti_key, key=RESULT_KEY)
        return page(self.address(result)) if isinstance(result, dict) else ""

    def address(self, result: dict[str, Any]) -> Any:
        """Return the S3 address in a result."""
        raise NotImplementedError


class ReportLink(_Link):
    """The run's ledger: what was done, ids, times, verdict."""

    name = "Run"

    def address(self, result: dict[str, Any]) -> Any:
        """Return the ledger's."""
        return result.get("ledger")


class LogsLink(_Link):
    """The logs of the run's cluster."""

    name = "Logs in S3"

    def address(self, result: dict[str, Any]) -> Any:
        """Return the one of the last cluster."""
        logs = result.get("logs")
        return logs[-1] if isinstance(logs, list) and logs else None


LINKS = (ReportLink(), LogsLink())


class KilnPlugin(AirflowPlugin):
    """Makes the links known to Airflow 2.11."""

    name = "kiln"
    operator_extra_links: ClassVar[list[Any]] = list(LINKS)
