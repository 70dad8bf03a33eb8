"""Run a playbook in a process of its own, report its changes, and turn its failure into one error."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln import phases
from kiln.playbooks import running
from kiln.playbooks.events import PROVISIONED
from kiln.playbooks.failures import failure_of
from kiln.playbooks.running import Running

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kiln.phases import Phase
    from kiln.playbooks.supervision import Supervision


@dataclass(kw_only=True)
class AnsibleRunner:
    """The real playbooks. Output goes to <folder>/<name>.log, only changes are reported.

    `environment` is the whole environment; `vault_password_file` is handed over when it exists. Provision and
    the deploy that follows it are one playbook: its start and the search for the cluster take longer than
    most of their work. The first call returns when all nodes are provisioned, the second at the end.
    """

    root: Path
    inventory: Path
    folder: Path
    environment: Mapping[str, str]
    vault_password_file: Path
    _deploying: Running | None = field(default=None, init=False)

    def run(self, phase: Phase, arguments: list[str], supervision: Supervision) -> bool:
        """Run it to its end, or end it when a signal comes or its time is over."""
        deploying, self._deploying = self._deploying, None
        if deploying is not None and phase is not phases.DEPLOY:
            running.end(deploying.child)
            deploying = None
        both = phase is phases.PROVISION and supervision.followed_by is phases.DEPLOY
        one = deploying or self._started(phases.NODES if both else phase, arguments)
        until = running.is_provisioned if both else running.never
        try:
            running.follow(one, phase, supervision, until=until)
        except BaseException:
            running.end(one.child)
            raise
        if one.is_over and one.child.wait() != 0:
            raise failure_of(phase, one.failures, self.log_file(one.phase.name), self.root)
        self._deploying = one if both else None
        if both:
            return bool(one.changed & PROVISIONED)
        return bool(one.changed - PROVISIONED if deploying else one.changed)

    def close(self) -> None:
        """End what nobody waits for any more."""
        if self._deploying is not None:
            running.end(self._deploying.child)

    def log_file(self, name: str) -> Path:
        """Return the file of a playbook's output."""
        return self.folder / f"{name}.log"

    def _started(self, phase: Phase, arguments: list[str]) -> Running:
        child = self._start(phase.name, arguments)
        return Running(phase, child, running.lines_of(child))

    def _start(self, name: str, arguments: list[str]) -> subprocess.Popen[str]:
        vault = self.vault_password_file
        order = {
            "checkout": str(self.root),
            "playbook": str(self.root / "playbooks" / f"{name}.yml"),
            "inventory": str(self.inventory / "hosts.yml"),  # nodes come from EMR, see the role emr_target
            "arguments": arguments + (["--vault-password-file", str(vault)] if vault.is_file() else []),
            "folder": str(self.folder / "ansible" / name),
            "log": str(self.log_file(name)),
            "environment": {
                "ANSIBLE_CONFIG": self.environment["ANSIBLE_CONFIG"],
                "ANSIBLE_NOCOLOR": "1",
                # ansible-runner turns it off unless it is set: a changed key of a node would go unnoticed.
                "ANSIBLE_HOST_KEY_CHECKING": "True",
                # ansible-runner's own callback builds upon this one; it does not read ansible.cfg.
                "ANSIBLE_STDOUT_CALLBACK": "kiln_nodes",
                "ANSIBLE_CALLBACK_PLUGINS": str(self.root / "plugins/callback"),
            },
        }
        (self.folder / "ansible" / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log_file(name).open("a") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "kiln.playbooks.process"],
                cwd=self.root,
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # A Ctrl-C on the terminal is the driver's to handle.
                start_new_session=True,
            )
        assert child.stdin is not None  # noqa: S101  # PIPE
        child.stdin.write(json.dumps(order))
        child.stdin.close()
        return child
