"""How each contender is started."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.site import CHECKOUT, python_of
from nodes.timing import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HERE = Path(__file__).resolve().parent
_OWN = Path(sys.executable).parent
# Chains whose playbook or program is another one's.
_SAME = {"many": "provision"}


class Turn:
    """One contender's turn in one chain: `folder` is its own, with its variables and its control sockets."""

    def __init__(
        self, chain: str, inventory: Path, lines: Path, variables: Mapping[str, Any], folder: Path
    ) -> None:
        self.chain, self.inventory, self.lines = _SAME.get(chain, chain), inventory, lines
        self.parallel = 32 if chain == "many" else 20
        self.sockets = folder / "cp"
        self._variables = dict(variables)
        self._file = folder / "variables.json"
        self._file.write_text(json.dumps(self._variables))

    def command(self, contender: str) -> Command:
        """Return the command of a contender."""
        return _MAKERS[contender](self)

    def playbook(self, tool: Path, name: str, settings: Path) -> Command:
        """Return the command that runs a playbook of this folder with a settings file."""
        argv = [str(tool / "ansible-playbook"), "-i", str(self.inventory), "-e", f"@{self._file}"]
        environment = {
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_HOME": str(self._file.parent / "ansible"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.sockets),
        }
        return Command([*argv, str(_HERE / "playbooks" / f"{name}.yml")], environment)

    def program(self, argv: list[str]) -> Command:
        """Return the command of a program that reads the variables from a file."""
        environment = {"BENCH_VARIABLES": str(self._file), "BENCH_NODES": str(self.lines)}
        return Command(argv, environment)

    def shell(self, name: str) -> Command:
        """Return the command of a shell script of this folder, which reads variables from the environment."""
        given = self._variables
        quoted = " ".join(f"'{word}'" for word in given["bench_ssh"])
        environment = {
            "BENCH_NODES": str(self.lines),
            "BENCH_SSH": f"ssh {quoted} -l {given['bench_user']}",
            "BENCH_PARALLEL": str(self.parallel),
            "BENCH_PACKAGES": " ".join(given["bench_packages"]),
            "BENCH_CHAIN": self.chain,
        }
        names = ("root", "files", "tar", "commit", "archive", "environment_path")
        environment |= {f"BENCH_{name.upper()}": given[f"bench_{name}"] for name in names}
        return Command(["bash", str(_HERE / "scripts" / f"{name}.sh")], environment)


def _tuned(turn: Turn, suffix: str = "") -> Command:
    return turn.playbook(_OWN, turn.chain + suffix, _HERE / "playbooks/tuned.cfg")


def _mitogen(turn: Turn) -> Command:
    tool = python_of("mitogen")
    (plugins,) = (tool.parent / "lib").glob("python3.*/site-packages/ansible_mitogen/plugins/strategy")
    suffix = "_unarchive" if turn.chain == "deploy" else ""
    command = turn.playbook(tool, turn.chain + suffix, _HERE / "playbooks/tuned.cfg")
    strategy = {"ANSIBLE_STRATEGY_PLUGINS": str(plugins), "ANSIBLE_STRATEGY": "mitogen_linear"}
    return Command(command.argv, {**command.environment, **strategy})


def _pyinfra(turn: Turn) -> Command:
    files = [str(_HERE / "pyinfra_nodes.py"), str(_HERE / f"pyinfra_{turn.chain}.py")]
    return turn.program([str(python_of("pyinfra") / "pyinfra"), "-y", *files])


_MAKERS: dict[str, Callable[[Turn], Command]] = {
    "ansible_start": lambda turn: turn.playbook(_OWN, "start", CHECKOUT / "ansible.cfg"),
    "old_way": lambda turn: turn.playbook(_OWN, f"{turn.chain}_old_way", _HERE / "playbooks/old_way.cfg"),
    "ansible": _tuned,
    "ansible_synchronize": lambda turn: _tuned(turn, "_synchronize"),
    "ansible_unarchive": lambda turn: _tuned(turn, "_unarchive"),
    "mitogen": _mitogen,
    "pyinfra": _pyinfra,
    "rsync": lambda turn: turn.shell("rsync"),
    "openssh": lambda turn: turn.shell("openssh"),
    "openssh_command": lambda turn: turn.shell("openssh_command"),
    "asyncssh": lambda turn: turn.program(
        [str(python_of("asyncssh") / "python"), str(_HERE / "many_asyncssh.py")]
    ),
    "kiln": lambda turn: turn.playbook(_OWN, "kiln", CHECKOUT / "ansible.cfg"),
    "kiln_build": lambda turn: turn.playbook(_OWN, "kiln", CHECKOUT / "ansible.cfg"),
    "kiln_git": lambda turn: turn.playbook(_OWN, "kiln_git", CHECKOUT / "ansible.cfg"),
    "kiln_engine": lambda turn: turn.program([sys.executable, str(_HERE / "many_kiln.py")]),
}
