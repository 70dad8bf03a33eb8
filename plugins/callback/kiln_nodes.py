# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible callback: the default output, with one line an item for what emr_node_apply did on all nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kiln_nodes
type: stdout
short_description: Default output, summed up by item for all nodes
version_added: "0.2.0"
description:
  - As P(ansible.builtin.default#callback), but for the action M(emr_node_apply) a line an item,
    and a line for each node that has failed. The recap counts every item of every node.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout in configuration
"""

from typing import Any

from ansible import constants as C  # noqa: N812  # Ansible's own name for it
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

ACTION = "emr_node_apply"
# Actions that ask AWS.
ASKING = frozenset({"emr_cluster_info", "emr_target_nodes"})
# An item's state on a node -> what the recap counts.
COUNTS = {"ok": ("ok",), "changed": ("ok", "changed"), "failed": ("failures",)}
ENDINGS = {"failed": "FAILED!", "unreachable": "UNREACHABLE!"}


class CallbackModule(DefaultCallback):  # type: ignore[misc]  # Ansible publishes no types
    """The results of all nodes come in one, of the host that Ansible has chosen to run the action for."""

    CALLBACK_NAME = "kiln_nodes"

    def __init__(self) -> None:
        super().__init__()
        self._applied: list[tuple[str, str, dict[str, Any]]] = []

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: FBT001  # Ansible's signature
        """Import boto3 once: each task that asks AWS runs in a copy of this process (fork)."""
        if task.action in ASKING:
            import kiln.aws.boto  # noqa: F401, PLC0415  as it says

        super().v2_playbook_on_task_start(task, is_conditional)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Show what was done, by item."""
        if not self._show(result, "changed" if result.result.get("changed") else "ok"):
            super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002  # Ansible's signature
        """Show what was done, by item, and which nodes have failed."""
        if not self._show(result, "failed"):
            super().v2_runner_on_failed(result, ignore_errors)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Count each item on each node in the place of the one result that Ansible has counted."""
        for host, state, nodes in self._applied:
            for counted in COUNTS[state]:
                stats.decrement(counted, host)
            for name, node in nodes.items():
                _count(stats, name, node)
        self._applied.clear()
        super().v2_playbook_on_stats(stats)

    def _show(self, result: Any, state: str) -> bool:
        """Show a result of the action; return whether it was one."""
        answer = result.result
        if result.task.action != ACTION or not isinstance(answer.get("nodes"), dict):
            return False
        if self._last_task_banner != result.task._uuid:  # noqa: SLF001  # as Ansible's own callbacks do
            self._print_task_banner(result.task)
        self._applied.append((result.host.get_name(), state, answer["nodes"]))
        failed = {name: node for name, node in answer["nodes"].items() if node["state"] in ENDINGS}
        lines = answer["summary"][: len(answer["summary"]) - len(failed)]
        for line in lines:
            self._display.display(line, color=C.COLOR_CHANGED if state == "changed" else C.COLOR_OK)
        for line, (name, node) in zip(answer["summary"][len(lines) :], failed.items(), strict=True):
            cause = line.removeprefix(f"{name}: ")
            self._display.display(
                f"fatal: [{name}]: {ENDINGS[node['state']]} => {cause}", color=C.COLOR_ERROR
            )
        if failed and answer.get("fix"):
            self._display.display(f"fix: {answer['fix']}", color=C.COLOR_ERROR)
        return True


def _count(stats: Any, name: str, node: dict[str, Any]) -> None:
    for item in node["items"]:
        for counted in COUNTS[item["state"]]:
            stats.increment(counted, name)
    if node["state"] == "unreachable":
        stats.increment("dark", name)
    elif node["state"] == "failed" and node["message"]:
        stats.increment("failures", name)
