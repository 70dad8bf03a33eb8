"""Workgroups: where results go, and whether requests may say otherwise.

Athena User Guide, "Manage workgroups"; `primary` is there from the beginning and cannot be deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emrbox.athena.pages import page
from emrbox.athena.problems import invalid_request

Document = dict[str, Any]
PRIMARY = "primary"
ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
# Members that emrbox acts on, or that only describe. What else a request has is refused by its name.
CONFIGURATION = frozenset(
    {
        "ResultConfiguration",
        "EnforceWorkGroupConfiguration",
        "PublishCloudWatchMetricsEnabled",
        "RequesterPaysEnabled",
        "EngineVersion",
        "BytesScannedCutoffPerQuery",
    }
)
UPDATES = (CONFIGURATION - {"ResultConfiguration"}) | {
    "ResultConfigurationUpdates",
    "RemoveBytesScannedCutoffPerQuery",
}
RESULT_UPDATES = frozenset({"OutputLocation", "RemoveOutputLocation"})


def _no_configuration() -> Document:
    return {
        "ResultConfiguration": {},
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": True,
        "RequesterPaysEnabled": False,
        "EngineVersion": dict(ENGINE),
    }


@dataclass
class WorkGroup:
    """One workgroup; `configuration` is the API's WorkGroupConfiguration."""

    name: str
    description: str = ""
    enabled: bool = True
    configuration: Document = field(default_factory=_no_configuration)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def summary(self) -> Document:
        """The API's WorkGroupSummary."""
        return {
            "Name": self.name,
            "State": "ENABLED" if self.enabled else "DISABLED",
            "Description": self.description,
            "CreationTime": self.created,
            "EngineVersion": self.configuration["EngineVersion"],
        }

    @property
    def cutoff_bytes(self) -> int | None:
        """How many bytes a query may scan."""
        found: int | None = self.configuration.get("BytesScannedCutoffPerQuery")
        return found

    @property
    def enforces_location(self) -> bool:
        """Whether results go where the group says, whatever a request says."""
        own = self.configuration["ResultConfiguration"].get("OutputLocation")
        return bool(own and self.configuration["EnforceWorkGroupConfiguration"])

    def output_location(self, request: Document) -> str | None:
        """Return where results of a StartQueryExecution go: as it says, unless the group enforces its own."""
        own = self.configuration["ResultConfiguration"].get("OutputLocation")
        asked: str | None = request.get("ResultConfiguration", {}).get("OutputLocation")
        return str(own) if self.enforces_location else asked or own


class WorkGroups:
    """The workgroups of one account in one region."""

    def __init__(self) -> None:
        primary = WorkGroup(PRIMARY)
        primary.configuration["EnforceWorkGroupConfiguration"] = False
        self._groups = {PRIMARY: primary}

    def get(self, name: str) -> WorkGroup:
        """Return a workgroup, or raise what Athena says of one that is not there."""
        if name not in self._groups:
            raise invalid_request(f"WorkGroup {name} is not found.")
        return self._groups[name]

    def create(self, request: Document) -> Document:
        """CreateWorkGroup."""
        name = request["Name"]
        if name in self._groups:
            raise invalid_request("WorkGroup is already created")
        asked = request.get("Configuration", {})
        _refuse_others("Configuration", asked, CONFIGURATION)
        _refuse_others("ResultConfiguration", asked.get("ResultConfiguration", {}), {"OutputLocation"})
        group = WorkGroup(name, request.get("Description", ""))
        group.configuration.update({n: value for n, value in asked.items() if n != "EngineVersion"})
        self._groups[name] = group
        return {}

    def describe(self, request: Document) -> Document:
        """GetWorkGroup."""
        group = self.get(request["WorkGroup"])
        shown = {n: value for n, value in group.summary.items() if n != "EngineVersion"}
        return {"WorkGroup": {**shown, "Configuration": group.configuration}}

    def list(self, request: Document) -> Document:
        """ListWorkGroups."""
        found, more = page(request, [self._groups[name].summary for name in sorted(self._groups)], 50)
        return {"WorkGroups": found, **more}

    def update(self, request: Document) -> Document:
        """UpdateWorkGroup."""
        group = self.get(request["WorkGroup"])
        updates = dict(request.get("ConfigurationUpdates", {}))
        _refuse_others("ConfigurationUpdates", updates, UPDATES)
        results = updates.pop("ResultConfigurationUpdates", {})
        _refuse_others("ResultConfigurationUpdates", results, RESULT_UPDATES)
        updates.pop("EngineVersion", None)
        location = group.configuration["ResultConfiguration"].get("OutputLocation")
        location = None if results.get("RemoveOutputLocation") else results.get("OutputLocation", location)
        group.configuration["ResultConfiguration"] = {"OutputLocation": location} if location else {}
        if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
            group.configuration.pop("BytesScannedCutoffPerQuery", None)
        group.configuration.update(updates)
        group.description = request.get("Description", group.description)
        group.enabled = request.get("State", group.summary["State"]) == "ENABLED"
        return {}

    def delete(self, request: Document, *, has_queries: bool) -> Document:
        """DeleteWorkGroup."""
        group = self.get(request["WorkGroup"])
        if group.name == PRIMARY:
            raise invalid_request("Cannot delete the primary WorkGroup")
        if has_queries and not request.get("RecursiveDeleteOption"):
            raise invalid_request(f"WorkGroup {group.name} is not empty")
        del self._groups[group.name]
        return {}


def _refuse_others(where: str, given: Document, known: frozenset[str] | set[str]) -> None:
    if others := sorted(set(given) - known):
        raise invalid_request(f"emrbox does not have {where}.{others[0]}")
