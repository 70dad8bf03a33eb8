"""A node that is this machine: `sudo` and `ssh` run what they are given, and connections can be cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.diagnosis import log_files, node_logs
from kiln.diagnosis.ssh import Ssh
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# The last argument is the command. Without a limit the connection lasts until the command ends or the node is
# down; with one it is cut after so many bytes.
SSH = """#!/bin/bash
[ "$1" = -E ] && said=$2
[ -e {folder}/down ] && {{ echo "connect to host: refused" >"$said"; exit 255; }}
if [ -e {folder}/limit ]; then sh -c "${{!#}}" | stdbuf -o0 head -c "$(cat {folder}/limit)"; exit 255; fi
sh -c "${{!#}}" &
while kill -0 $! 2>/dev/null; do
  [ -e {folder}/down ] && {{ kill $!; exit 255; }}
  sleep 0.05
done
"""


class LocalNode:
    """Its folders of logs, and the switches of its connections."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
        self.folder = folder
        self.steps, self.containers = folder / "steps", folder / "containers"
        (folder / "bin").mkdir()
        self._program("sudo", '#!/bin/sh\nshift\nexec "$@"\n')
        self._program("ssh", SSH.format(folder=folder))
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{path}")
        for module in (node_logs, log_files):
            monkeypatch.setattr(module, "STEPS_FOLDER", str(self.steps))
            monkeypatch.setattr(module, "CONTAINERS_FOLDER", str(self.containers))

    def _program(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def ssh(self) -> Ssh:
        known = KnownHosts(folder=self.folder / "hosts", cluster_id="j-0001")
        return Ssh(user="hadoop", key_file="", known_hosts=known)

    def cut_after(self, count: int | None) -> None:
        """Cut each connection after so many bytes; None: never."""
        if count is None:
            (self.folder / "limit").unlink(missing_ok=True)
        else:
            (self.folder / "limit").write_text(str(count))

    def go_down(self) -> None:
        """End all connections, and refuse new ones."""
        (self.folder / "down").touch()

    def log(self, key: str, text: str) -> None:
        """Append to a log, such as steps/s-1/stdout."""
        file = self.folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as stream:
            stream.write(text)
