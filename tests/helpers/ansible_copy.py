"""A copy of the Ansible folders of this checkout, and Ansible run in it as from a checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDERS = ("playbooks", "roles", "plugins", "inventory", "group_vars", "requirements")


class AnsibleCopy:
    """A copy that a test may change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in FOLDERS:
            shutil.copytree(CHECKOUT / folder, root / folder, symlinks=True)
        shutil.copy(CHECKOUT / "ansible.cfg", root)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def append(self, name: str, text: str) -> None:
        self.write(name, (self.root / name).read_text() + text)

    def set_variable(self, name: str, key: str, value: str) -> None:
        """Replace a variable that stands in one line of a file."""
        text, count = re.subn(rf"(?m)^{key}:.*$", f"{key}: {value}", (self.root / name).read_text())
        assert count == 1, (name, key)
        self.write(name, text)

    def pipelines(self, environment: str) -> list[str]:
        """Return the pipelines that the environment's inventory lists, sorted."""
        tree = yaml.safe_load((self.root / "inventory" / environment / "hosts.yml").read_text())
        return sorted(tree["all"]["children"][environment]["children"]["pipelines"]["children"])

    def run(
        self, tool: str, *arguments: str, cwd: Path | None = None, hang_seconds: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run a tool of Ansible in the checkout, or in `cwd` with its configuration, as scripts/kiln does."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_"))
        }
        if cwd is not None:
            environment["ANSIBLE_CONFIG"] = str(self.root / "ansible.cfg")
        command = [str(Path(sys.executable).parent / tool), *arguments]
        return subprocess.run(
            command,
            cwd=cwd or self.root,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=hang_seconds,
        )

    def settings(self, environment: str, keys: list[str], *extra: str) -> dict[str, Any]:
        """Ask playbooks/settings.yml as the driver does; the document that it wrote."""
        answer = self.root / "settings.json"
        asked = json.dumps({"settings_keys": keys, "settings_file": str(answer)})
        finished = self.run(
            *("ansible-playbook", "-i", f"inventory/{environment}/hosts.yml", "playbooks/settings.yml"),
            *("-e", asked, *(word for argument in extra for word in ("-e", argument))),
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return dict(json.loads(answer.read_text()))
