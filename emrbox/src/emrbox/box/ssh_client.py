"""`ssh` and `scp` of a shell that has eval'ed `emrbox env`: nodes are reached by their names.

`aws emr ssh`, `put`, `get` and `socks` call whatever `ssh` is on the PATH, and no variable gives it options.
So a folder with two scripts comes first there: they call the real programs with a configuration that includes
the user's.
"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAMS = ("ssh", "scp")
_CONFIG = """\
Host ip-*.ec2.internal
  ProxyCommand {connect}
  UserKnownHostsFile {known_hosts}
Host *
  Include ~/.ssh/config
  Include /etc/ssh/ssh_config
"""
_SCRIPT = """\
#!/bin/sh
# Calls the next {program} on the PATH.
PATH=$(printf %s "$PATH" | tr : '\\n' | grep -Fxv {folder} | paste -sd : -)
export PATH
exec {program} -F {config} "$@"
"""


def folder_of(home: Path) -> Path:
    """Return the folder with the two scripts."""
    return home / "ssh" / "bin"


def write(home: Path) -> None:
    """Write configuration and scripts of a new box, whose nodes have other host keys than the last one's."""
    folder, config, known_hosts = folder_of(home), home / "ssh" / "config", home / "ssh" / "known_hosts"
    folder.mkdir(parents=True, exist_ok=True)
    known_hosts.unlink(missing_ok=True)
    connect = shlex.join(["env", f"EMRBOX_HOME={home}", sys.executable, "-m", "emrbox", "connect"])
    text = _CONFIG.format(connect=_plain(connect) + " %h %p", known_hosts=f'"{_plain(str(known_hosts))}"')
    config.write_text(text)
    for program in _PROGRAMS:
        script = folder / program
        names = {"folder": shlex.quote(str(folder)), "config": shlex.quote(str(config))}
        script.write_text(_SCRIPT.format(program=program, **names))
        script.chmod(0o755)


def _plain(text: str) -> str:
    """Return a text in which ssh finds no token such as %h."""
    return text.replace("%", "%%")
