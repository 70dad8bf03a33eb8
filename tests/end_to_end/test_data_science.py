"""The data-science instance: made by its playbook on a real machine, closed, started again, removed."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dashboard_page
import pytest
import study_tables
from account import BUCKETS, DATA_SCIENCE_ROLE, KEY_PAIR, PRIVATE_KEY
from chromium import Chromium
from local_world import CHECKOUT, HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_world import World

# Two environments of 100 packages are built, and the instance is made, started again and removed: minutes.
pytestmark = pytest.mark.slow

# JupyterLab and Voila without what else notebooks have: an older state of the lock file.
OLDER = ".kiln/local/notebook_requirements.txt"
DATABASE = "kiln_local"
THERE = ["pending", "running", "shutting-down", "stopping", "stopped"]
JUPYTER, DASHBOARD = 8888, 8866
MODULES = ("jupyterlab", "voila")
ANSWER_SECONDS = 10.0


def part_of_lock_file(*roots: str) -> str:
    """Return the pins of packages and of all that these need: the lock file says for which others each is."""
    text = (CHECKOUT / "requirements/data_science.txt").read_text()
    pins = {
        one[: one.index("==")]: one for one in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if "==" in one
    }
    needed_by = {
        name: set(re.findall(r"^    # +(?:via )?([\w.-]+)$", pin, re.MULTILINE)) for name, pin in pins.items()
    }
    wanted = set(roots)
    while more := {name for name, others in needed_by.items() if others & wanted} - wanted:
        wanted |= more
    return "".join(pin for name, pin in pins.items() if name in wanted)


def play(world: World, *arguments: str) -> str:
    done = world.playbook("data_science", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(output: str) -> set[str]:
    return set(re.findall(r"changed=(\d+)", output.partition("PLAY RECAP")[2]))


def left(world: World) -> dict[str, list[Any]]:
    """Return what there is of the instance: instances, groups, volumes."""
    ec2 = world.session.client("ec2")
    ours: Any = {"Name": "tag-key", "Values": ["data_science"]}
    states: Any = {"Name": "instance-state-name", "Values": THERE}
    held = ec2.describe_instances(Filters=[ours, states])["Reservations"]
    return {
        "instances": [one for reservation in held for one in reservation["Instances"]],
        "groups": ec2.describe_security_groups(Filters=[ours])["SecurityGroups"],
        "volumes": ec2.describe_volumes(Filters=[ours])["Volumes"],
    }


class Made:
    """The instance."""

    def __init__(self, world: World) -> None:
        self.world = world
        (found,) = left(world)["instances"]
        self.described: dict[str, Any] = found
        self.id, self.address = str(found["InstanceId"]), str(found["PrivateIpAddress"])

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there as the user of the image, who may become root."""
        known = CHECKOUT / ".kiln/known_hosts/kiln-local-data-science"
        options = (
            *(f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", f"HostKeyAlias={self.id}"),
            *("IdentitiesOnly=yes", f"ProxyCommand='{CHECKOUT}/.venv/bin/emrbox' connect %h %p"),
        )
        return subprocess.run(
            ["ssh", "-F", "none", "-i", str(PRIVATE_KEY)]
            + [word for option in options for word in ("-o", option)]
            + [f"ec2-user@{self.address}", command],
            check=False,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )

    def services(self) -> dict[str, str]:
        """Return the number and the command line of each service's first process."""
        found = {
            name: self.run(f"pgrep -o -a -u jupyter -f -- '-m {name} '").stdout.strip() for name in MODULES
        }
        assert all(found.values()), found
        return found

    def token(self) -> str:
        return self.run("sudo cat /opt/kiln/notebooks/token").stdout.strip()

    def notebook(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run Python as a notebook does: the service's user, environment and variables."""
        unit = "/etc/systemd/system/kiln-jupyter.service"
        python = f"$(sed -n 's/^ExecStart=\\([^ ]*\\) .*/\\1/p' {unit})"
        variables = "AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL"
        return self.run(f"sudo -u jupyter {variables} {python} -c {json.dumps(program)}")

    def answers_from_outside(self, port: int) -> bool:
        """Return whether a connection from another address gets anything."""
        try:
            connected = subprocess.run(
                [CHECKOUT / ".venv/bin/emrbox", "connect", self.address, str(port)],
                check=False,
                input=b"GET /api HTTP/1.0\r\n\r\n",
                capture_output=True,
                timeout=ANSWER_SECONDS,
            )
        except subprocess.TimeoutExpired:  # what a security group keeps out is dropped
            return False
        return bool(connected.stdout)


@pytest.fixture(scope="module")
def study(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tables for the dashboard; the folder of their files."""
    files = tmp_path_factory.mktemp("study")
    study_tables.write(files)
    study_tables.put(world.session, files, BUCKETS["data_bucket"], DATABASE)
    yield files
    study_tables.remove(world.session, BUCKETS["data_bucket"], DATABASE)


@pytest.fixture(scope="module")
def made(world: World, study: Path) -> Iterator[Made]:
    assert study.is_dir()
    (CHECKOUT / OLDER).write_text(part_of_lock_file("jupyterlab", "boto3", "voila"))
    older = ("-e", f"data_science_node_python_requirements={OLDER}")
    assert "changed=0" not in play(world, *older, "--check").partition("PLAY RECAP")[2]
    assert left(world) == {"instances": [], "groups": [], "volumes": []}, "check mode makes nothing"
    play(world, *older)
    made = Made(world)
    before = made.services()
    # Another lock file: the environment is built anew and both services are restarted with it, once.
    play(world)
    after = made.services()
    assert [name for name in MODULES if before[name] == after[name]] == []
    assert (changed(play(world)), made.services()) == ({"0"}, after)
    yield made
    # Here and not in a test, so that tests pass in any order.
    absent = ("-e", "data_science_node_state=absent")
    play(world, *absent, "--check")
    assert left(world)["instances"], "check mode ends nothing"
    play(world, *absent)
    assert left(world) == {"instances": [], "groups": [], "volumes": []}
    assert changed(play(world, *absent)) == {"0"}
    pairs = world.session.client("ec2").describe_key_pairs()["KeyPairs"]
    assert [one["KeyName"] for one in pairs] == [KEY_PAIR]
    refused = world.kiln("tunnel", "--env", "local")
    assert refused.code == 18
    assert "local has no data-science instance and no live cluster" in refused.said


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    started = Chromium(tmp_path)
    yield started
    started.close()


class Tunnel:
    """`kiln tunnel` while it is open."""

    def __init__(self, world: World) -> None:
        self.child = world.start_kiln("tunnel", "--env", "local", "-o", "json")
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, self.child.communicate(timeout=HANG_SECONDS)[1]
        self.pages = {page["port"]: page for page in json.loads(line)["pages"]}

    def get(self, path: str, token: str = "", port: int = JUPYTER) -> int:
        place = urlsplit(self.pages[port]["address"])
        connection = http.client.HTTPConnection(place.netloc, timeout=HANG_SECONDS)
        connection.request("GET", path, headers={"Authorization": f"token {token}"} if token else {})
        status = connection.getresponse().status
        connection.close()
        return status

    def close(self) -> str:
        self.child.send_signal(signal.SIGINT)
        said = self.child.communicate(timeout=HANG_SECONDS)[1]
        assert self.child.returncode == 0, said
        return str(said)


@pytest.fixture
def tunnel(made: Made) -> Iterator[Tunnel]:
    opened = Tunnel(made.world)
    yield opened
    assert opened.close().splitlines()[-1] == "kiln: tunnel closed"


def test_a_second_run_changes_nothing_and_would_change_nothing(made: Made) -> None:
    assert changed(play(made.world)) == {"0"}
    assert changed(play(made.world, "--check")) == {"0"}
    assert Made(made.world).id == made.id


def test_jupyterlab_answers_through_the_tunnel_to_its_token_only(made: Made, tunnel: Tunnel) -> None:
    token = made.token()
    assert len(token) == 64
    assert (tunnel.pages[JUPYTER]["answers"], tunnel.pages[DASHBOARD]["answers"]) == (True, True)
    assert token not in json.dumps(tunnel.pages)
    assert tunnel.get("/api/contents", token) == 200
    assert tunnel.get("/api/contents") == 403
    assert tunnel.get("/api/contents", "0" * 64) == 403
    assert tunnel.get(f"/api/contents?token={token[:-1]}") == 403


def test_the_dashboard_shows_the_tables_within_seconds_to_its_token_only(
    made: Made, tunnel: Tunnel, study: Path, browser: Chromium
) -> None:
    token = made.token()
    times = dashboard_page.opened(browser, f"{tunnel.pages[DASHBOARD]['address']}?token={token}")
    assert times.first_paint < 3, times
    dashboard_page.check(browser, study)
    assert tunnel.get("/", token, DASHBOARD) == 200
    assert tunnel.get("/", port=DASHBOARD) == 302
    assert tunnel.get("/", "0" * 64, DASHBOARD) == 302


def test_another_address_gets_nothing_but_ssh(made: Made) -> None:
    assert made.answers_from_outside(22)
    listening = made.run("ss -Hltn").stdout.splitlines()
    for port in (JUPYTER, DASHBOARD):
        assert not made.answers_from_outside(port)
        assert {line.split()[3] for line in listening if f":{port} " in line} == {f"127.0.0.1:{port}"}


def test_the_security_group_opens_one_port_to_one_network_and_stays_so(made: Made) -> None:
    (group,) = left(made.world)["groups"]
    assert [one["GroupId"] for one in made.described["SecurityGroups"]] == [group["GroupId"]]
    assert made.answers_from_outside(22)
    ec2 = made.world.session.client("ec2")
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    assert not made.answers_from_outside(22)
    ec2.authorize_security_group_ingress(
        GroupId=group["GroupId"],
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": JUPYTER,
                "ToPort": JUPYTER,
                "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            }
        ],
    )
    assert not made.answers_from_outside(JUPYTER), "its loopback keeps others out, too"
    assert changed(play(made.world)) == {"0", "1"}
    assert made.answers_from_outside(22)
    (rule,) = left(made.world)["groups"][0]["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 22, 22)
    (source,) = rule["IpRanges"]
    assert source["CidrIp"].endswith("/32")


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0"])
def test_a_port_open_to_the_world_is_refused_in_one_line(made: Made, cidr: str) -> None:
    refused = made.world.playbook("data_science", "-e", f"data_science_node_source_cidr={cidr}")
    assert refused.returncode == 2
    (line,) = [one for one in refused.stdout.splitlines() + refused.stderr.splitlines() if "[ERROR]" in one]
    assert f"data_science_node_source_cidr is {cidr}. Set it to" in line


def test_it_is_launched_encrypted_with_its_own_role_and_the_clusters_key(made: Made) -> None:
    shown = made.described
    assert shown["MetadataOptions"]["HttpTokens"] == "required"
    assert shown["KeyName"] == KEY_PAIR
    assert shown["IamInstanceProfile"]["Arn"].endswith(f"/{DATA_SCIENCE_ROLE}")
    assert [one["Encrypted"] for one in left(made.world)["volumes"]] == [True]


def test_notebooks_have_no_root_and_the_rights_of_the_instances_role(made: Made) -> None:
    assert made.run("sudo -u jupyter sudo -n true").returncode != 0
    assert made.run("id -nG jupyter").stdout.split() == ["jupyter"]
    flags = made.run("grep -h NoNewPrivs /proc/$(pgrep -o -u jupyter)/status").stdout.split()
    assert flags == ["NoNewPrivs:", "1"]
    assert made.run("stat -c '%U %a' /opt/kiln/notebooks/token /opt/kiln/notebooks").stdout.split() == [
        *("jupyter", "400"),
        *("root", "755"),
    ]
    token = made.token()
    assert token not in made.run("ps -efww; sudo cat /var/log/services/*").stdout
    s3 = "import boto3; s3 = boto3.client('s3')"
    bucket = BUCKETS["data_bucket"]
    assert (
        made.notebook(f"{s3}; print(s3.list_objects_v2(Bucket='{bucket}')['KeyCount'] > 0)").stdout
        == "True\n"
    )
    written = made.notebook(f"{s3}; s3.put_object(Bucket='{bucket}', Key='x', Body=b'x')")
    assert "AccessDenied" in written.stderr


def test_the_reaper_knows_it_and_leaves_it(made: Made) -> None:
    swept = made.world.kiln("reap", "--env", "local", "--yes", "-o", "json")
    assert swept.code == 0, swept.said
    assert [
        (row["action"], row["why"].partition(":")[0]) for row in swept.result["rows"] if row["id"] == made.id
    ] == [("keep", "persistent")]


def test_a_stopped_instance_is_started_by_the_playbook_and_jupyterlab_comes_back_by_itself(
    made: Made,
) -> None:
    ec2 = made.world.session.client("ec2")
    ec2.stop_instances(InstanceIds=[made.id])
    ec2.get_waiter("instance_stopped").wait(
        InstanceIds=[made.id], WaiterConfig={"Delay": 1, "MaxAttempts": 600}
    )
    refused = made.world.kiln("tunnel", "--env", "local")
    assert refused.code == 18
    assert f"the data-science instance {made.id} is stopped" in refused.said
    # On the control host it has started the instance; on the instance it has found the service active.
    assert re.findall(r"changed=(\d)", play(made.world).partition("PLAY RECAP")[2]) == ["0", "1"]
    opened = Tunnel(made.world)
    assert opened.get("/api/contents", made.token()) == 200
    assert opened.get("/", made.token(), DASHBOARD) == 200
    opened.close()
