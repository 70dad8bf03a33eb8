"""`make airflow`'s own program: it starts all, says where, and leaves nothing after Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
import urllib3
from airflow_releases import AIRFLOW_3, RELEASES
from airflow_settings import free_port
from checkout_copy import CHECKOUT
from leftovers import processes_with

PROGRAM = CHECKOUT / "examples/airflow/start_airflow.py"
HOME = CHECKOUT / ".kiln/airflow"
URL_LINE = re.compile(r"(http://127\.0\.0\.1:\d+)  user admin, password \S+; Ctrl-C ends it\n")
DEADLINE_SECONDS = 300.0


@pytest.mark.slow
def test_a_local_airflow_says_its_address_and_leaves_nothing_after_ctrl_c(
    pytestconfig: pytest.Config,
) -> None:
    release = RELEASES[pytestconfig.getoption("--airflow", AIRFLOW_3.name)]
    port = free_port()
    command = [sys.executable, str(PROGRAM), "--release", release.name, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            # Nothing comes before it.
            line = child.stdout.readline()
            found = URL_LINE.fullmatch(line)
            assert found, line
            assert found[1] == f"http://127.0.0.1:{port}"
            answer = urllib3.request("GET", found[1] + release.health, retries=False)
            assert answer.status == 200
            # One at a time in a checkout.
            second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            assert (second.returncode, second.stdout) == (1, "")
            assert "it runs in this checkout already" in second.stderr
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=DEADLINE_SECONDS)
        finally:
            child.kill()
    assert (child.returncode, said) == (0, "airflow: ending; tasks that run end their steps and clusters\n")
    assert processes_with("AIRFLOW_HOME", "AIRFLOW_HOME", HOME) == []
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", found[1], retries=False)
