"""Services of systemd units run on nodes: by `systemctl`, and at each boot when they are enabled."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from waiting import wait_until

pytestmark = pytest.mark.box

UNIT = """[Unit]
Description=Writes who it is, and waits
[Service]
Type=simple
User=hadoop
WorkingDirectory=/tmp
UMask=0077
NoNewPrivileges=yes
ProtectSystem=full
Environment="GREETING=two words" OTHER=x
ExecStart=/bin/sh -c 'id -un >>who; echo "$GREETING $PWD $AWS_REGION" >said; sleep 1000 & sleep 1000'
Restart=on-failure
RestartSec=0.2
[Install]
WantedBy=multi-user.target
"""
CTL = "sudo systemctl"


@pytest.fixture(scope="module")
def node(box: Any) -> dict[str, Any]:
    """A node with the unit, enabled and active."""
    [instance] = box.launch()
    write(box, instance, "waits", UNIT)
    box.ssh(instance, f"{CTL} daemon-reload; {CTL} enable --now waits")
    wait_until(lambda: "two words" in box.ssh(instance, "sudo cat /tmp/said; true"))
    return dict(instance)


def write(box: Any, node: dict[str, Any], name: str, unit: str) -> None:
    box.ssh(node, f"sudo tee /etc/systemd/system/{name}.service >/dev/null <<'END'\n{unit}END\n")


def started(box: Any, node: dict[str, Any]) -> int:
    return int(box.ssh(node, "sudo cat /tmp/who | wc -l"))


def test_a_service_has_its_user_folder_environment_and_confinement(box: Any, node: dict[str, Any]) -> None:
    assert box.ssh(node, "sudo cat /tmp/said") == "two words /tmp us-east-1\n"
    assert box.ssh(node, "sudo sort -u /tmp/who; sudo stat -c %a /tmp/said").split() == ["hadoop", "600"]
    flags = box.ssh(node, "grep -h NoNewPrivs /proc/$(pgrep -o -u hadoop sleep)/status")
    assert flags.split() == ["NoNewPrivs:", "1"]


def test_systemctl_says_how_it_is(box: Any, node: dict[str, Any]) -> None:
    assert box.ssh(node, f"{CTL} is-active waits; {CTL} is-enabled waits.service") == "active\nenabled\n"
    shown = dict(line.split("=", 1) for line in box.ssh(node, f"{CTL} show waits").splitlines())
    assert (shown["LoadState"], shown["ActiveState"], shown["UnitFileState"]) == (
        "loaded",
        "active",
        "enabled",
    )
    assert "Without effect here: ProtectSystem" in box.ssh(node, f"{CTL} status waits")
    assert box.ssh(node, f"{CTL} list-unit-files 'wai*'") == "waits.service enabled\n"
    assert box.ssh(node, f"{CTL} list-unit-files amazon-ssm-agent.service") == ""
    assert "LoadState=not-found" in box.ssh(node, f"{CTL} show nothing")


def test_a_process_that_dies_is_started_again_and_a_stop_leaves_none(box: Any, node: dict[str, Any]) -> None:
    before = started(box, node)
    box.ssh(node, "sudo pkill -KILL -u hadoop -x sh")
    wait_until(lambda: started(box, node) == before + 1)
    box.ssh(node, f"{CTL} stop waits")
    assert box.ssh(node, f"{CTL} is-active waits; pgrep -u hadoop; true") == "inactive\n"
    box.ssh(node, f"{CTL} start waits; {CTL} start waits")
    wait_until(lambda: started(box, node) == before + 2)


def test_what_is_enabled_runs_after_a_reboot(box: Any, node: dict[str, Any]) -> None:
    write(box, node, "left_alone", UNIT.replace("who", "never"))
    before = started(box, node)
    box.client("ec2").reboot_instances(InstanceIds=[node["InstanceId"]])

    def has_started_again() -> bool:
        with suppress(AssertionError):  # sshd does not answer meanwhile
            return started(box, node) == before + 1
        return False

    wait_until(has_started_again)
    assert box.ssh(node, f"{CTL} is-active left_alone; {CTL} is-enabled left_alone; ls /tmp/never; true") == (
        "inactive\ndisabled\n"
    )


def test_a_service_that_cannot_start_gives_up_and_its_log_says_why(box: Any, node: dict[str, Any]) -> None:
    command = "ExecStart=/bin/sh -c 'echo broken; exit 3'\nRestart=always\nRestartSec=0.1\n"
    write(box, node, "breaks", f"[Service]\n{command}")
    box.ssh(node, f"{CTL} start breaks")
    wait_until(lambda: "inactive" in box.ssh(node, f"{CTL} is-active breaks; true"))
    log = box.ssh(node, "sudo cat /var/log/services/breaks.service.log").splitlines()
    assert log == ["broken"] * 5 + ["breaks.service: Start request repeated too quickly."]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("start forks", "emrbox runs one ExecStart of Type simple or exec"),
        ("start nothing", "Unit nothing.service not found"),
        ("isolate rescue.target", "emrbox has no `isolate rescue.target`"),
    ],
)
def test_what_is_not_there_is_an_error(box: Any, node: dict[str, Any], words: str, said: str) -> None:
    write(box, node, "forks", "[Service]\nType=forking\nExecStart=/bin/true\n")
    assert said in box.ssh(node, f"{CTL} {words} 2>&1; true")
