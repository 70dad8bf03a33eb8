"""Apply the definition of the nodes on all of them at once, through one connection and one program a node.

Runs once for all hosts of the play (BYPASS_HOST_LOOP). A worker of Ansible for each node and task costs more
than the work itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible import constants as C  # noqa: N812  # Ansible's own name for it
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.template import Templar
from ansible.utils.vars import load_extra_vars

from kiln.ansible_modules import node_apply, vault_secrets
from kiln.ansible_modules.report import failure
from kiln.errors import KilnError, UsageError
from kiln.nodes import connections, definition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiln.nodes.connections import Connection
    from kiln.nodes.definition import Secrets

# Options of the connection plugin, as group_vars, -e, ansible.cfg and the environment set them.
_SSH = (
    *("host", "port", "remote_user", "private_key_file", "ssh_args", "ssh_common_args", "ssh_extra_args"),
    *("ssh_executable", "control_path", "control_path_dir", "timeout"),
)
_ROOT = "root"


class _Variables(Mapping[str, Any]):
    """A host's variables, each evaluated as a template when it is read."""

    def __init__(self, raw: dict[str, Any], loader: Any) -> None:
        self._raw = raw
        self._templar = Templar(loader, variables=raw)

    def __getitem__(self, name: str) -> Any:
        return self._templar.template(self._raw[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: those of `kiln.ansible_modules.node_apply.Options`. The module documents them."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return one result for all nodes; `nodes` has that of each."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        variables = task_vars or {}
        try:
            given = node_apply.options(dict(self._task.args) | self._run_of(variables))
            items = definition.chosen(
                definition.convert(given.items),
                list(variables.get("ansible_run_tags", ["all"])),
                list(variables.get("ansible_skip_tags", [])),
            )
            if not items:
                return result | {"skipped": True, "skip_reason": "no item has the tags asked for"}
            nodes = [self._connection_of(name, variables) for name in variables["ansible_play_batch"]]
            return result | node_apply.apply(
                given,
                items,
                nodes,
                lambda item: self._secrets(item, variables),
                check=bool(self._task.check_mode),
            )
        except KilnError as error:
            return result | failure(error)

    def _run_of(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the run that the nodes belong to, with the instances that the role emr_target has found."""
        run = self._task.args.get("run")
        if not run:
            return {"run": None}
        hosts = {name: variables["hostvars"].raw_get(name) for name in variables["ansible_play_batch"]}
        instances = {
            name: own["kiln_instance_id"] for name, own in hosts.items() if "kiln_instance_id" in own
        }
        whole = "ansible_limit" not in variables and not variables.get("emr_target_instances")
        return {"run": dict(run) | {"is_whole": whole, "instances": instances}}

    def _connection_of(self, name: str, variables: dict[str, Any]) -> Connection:
        # hostvars has no variables of the play, the role and the task; -e comes before all of them.
        given = self._task.play.get_vars() | self._task.get_vars() | load_extra_vars(self._loader)
        own = _Variables(variables["hostvars"].raw_get(name) | given, self._loader)
        found = {option: self._option(option, own) for option in _SSH}
        found["connection"] = str(own.get("ansible_connection", "ssh"))
        found["interpreter"] = str(own.get("ansible_python_interpreter", ""))
        if self._task.become and (self._task.become_user or _ROOT) != _ROOT:
            raise UsageError(
                f"become_user is {self._task.become_user}, and nodes are set up by root", fix="remove it"
            )
        return connections.make(name, found, as_root=boolean(own.get("ansible_become", self._task.become)))

    @staticmethod
    def _option(name: str, own: Any) -> str:
        value = C.config.get_config_value(name, plugin_type="connection", plugin_name="ssh", variables=own)
        return "" if value is None else str(value)

    def _secrets(self, item: Secrets, variables: dict[str, Any]) -> dict[str, str]:
        return vault_secrets.read(self._loader, variables, item.vault_file, item.shown_as)
