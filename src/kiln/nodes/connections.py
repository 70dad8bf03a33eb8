"""How the control host connects to a node: the command line of OpenSSH, from Ansible's variables."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kiln.errors import UsageError
from kiln.nodes import program
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Mapping

# Connections that this module can make; `local` is this machine itself.
_KINDS = frozenset({"ssh", "ansible.builtin.ssh", "local", "ansible.builtin.local"})
# Its key exchange costs both ends a fifth of the one with post-quantum keys; `^` puts it before the others.
_FAST = ("-o", "KexAlgorithms=^curve25519-sha256", "-o", "BatchMode=yes", "-T")


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A node and how it is reached. `options` are arguments of ssh; the first of a kind counts."""

    name: str
    kind: str = "ssh"
    address: str = ""
    port: str = ""
    user: str = ""
    private_key_file: str = ""
    options: tuple[str, ...] = ()
    executable: str = "ssh"
    interpreter: str = "/usr/bin/python3"
    as_root: bool = True

    def command(self, definition: Mapping[str, Any], token: str) -> list[str]:
        """Return the command that applies the definition to the node."""
        command = program.command(self.interpreter, definition, token, as_root=self.as_root)
        if self.kind.endswith("local"):
            return command
        port = ["-p", self.port] if self.port else []
        key = ["-o", f'IdentityFile="{self.private_key_file}"'] if self.private_key_file else []
        user = ["-l", self.user] if self.user else []
        line = f"exec {shlex.join(command)}"
        return [self.executable, *self.options, *_FAST, *port, *key, *user, "--", self.address, line]


def make(name: str, variables: Mapping[str, str], *, as_root: bool) -> Connection:
    """Return a node's connection from Ansible's options of it, templated. Raises UsageError.

    The keys are those of the plugin ansible.builtin.ssh, and `connection` and `interpreter`.
    """
    kind, address = variables["connection"], variables["host"] or name
    if kind not in _KINDS:
        raise UsageError(
            f"{name}: ansible_connection is {names.shown(kind)}, and nodes are reached by ssh",
            fix="set it to ssh",
        )
    if address.startswith("-") or any(sign.isspace() for sign in address):
        raise UsageError(f"{name}: {names.shown(address)} is no address", fix="correct ansible_host")
    folder = Path(variables["control_path_dir"]).expanduser()
    try:
        options = [
            word
            for key in ("ssh_args", "ssh_common_args", "ssh_extra_args")
            for word in shlex.split(variables[key])
        ]
    except ValueError as error:
        raise UsageError(
            f"{name}: the arguments of ssh cannot be read: {error}", fix="close the quote"
        ) from error
    shares = any("ControlPersist" in word for word in options)
    path = ["-o", f'ControlPath="{variables["control_path"] or f"{folder}/%C"}"'] if shares else []
    if shares and not variables["control_path"]:
        # Sockets lie there, through which whoever can open them uses the connection.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    timeout = ["-o", f"ConnectTimeout={variables['timeout']}"] if variables["timeout"] else []
    return Connection(
        name=name,
        kind=kind,
        address=address,
        port=variables["port"],
        user=variables["remote_user"],
        private_key_file=variables["private_key_file"],
        options=(*options, *path, *timeout),
        executable=variables["ssh_executable"] or "ssh",
        interpreter=variables["interpreter"] or "/usr/bin/python3",
        as_root=as_root,
    )
