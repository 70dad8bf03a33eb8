"""Apply a definition as the action emr_node_apply does, without Ansible around it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from kiln.ansible_modules import node_apply
from kiln.nodes import connections, definition

_EMPTY = ("port", "ssh_extra_args", "ssh_executable", "control_path", "timeout", "interpreter")


def main() -> int:
    """Apply it; return the exit code."""
    given = json.loads(Path(os.environ["BENCH_VARIABLES"]).read_text())
    known_hosts = given["bench_known_hosts"]
    variables = dict.fromkeys(_EMPTY, "") | {
        "connection": "ssh",
        "remote_user": given["bench_user"],
        "private_key_file": given["bench_key"],
        "ssh_args": "-o ConnectTimeout=60",
        "ssh_common_args": f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={known_hosts}",
        "control_path_dir": "",
    }
    options = node_apply.Options(
        items=given["bench_items"],
        environment=given["kiln_environment"],
        region=given["aws_region"],
        checkout=given["kiln_checkout"],
        cache_dir=given["kiln_cache_dir"],
    )
    nodes = [
        connections.make(address, variables | {"host": address}, as_root=True)
        for address in Path(os.environ["BENCH_NODES"]).read_text().split()
    ]
    result = node_apply.apply(options, definition.convert(options.items), nodes, lambda _: {}, check=False)
    print(result["msg"])
    return int(bool(result.get("failed")))


if __name__ == "__main__":
    sys.exit(main())
