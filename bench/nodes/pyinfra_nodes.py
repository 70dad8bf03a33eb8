"""The nodes, as pyinfra reads them."""

import json
import os
from pathlib import Path

_GIVEN = json.loads(Path(os.environ["BENCH_VARIABLES"]).read_text())

bench = (
    Path(os.environ["BENCH_NODES"]).read_text().split(),
    {
        "ssh_user": _GIVEN["bench_user"],
        "ssh_key": _GIVEN["bench_key"],
        "ssh_known_hosts_file": _GIVEN["bench_known_hosts"],
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
        "bench": _GIVEN,
    },
)
