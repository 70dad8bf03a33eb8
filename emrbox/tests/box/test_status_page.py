"""The status page in a real browser."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
from chromium import Chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.box

EVIL = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    started = Chromium(tmp_path)
    yield started
    started.close()


def launch(box: Any, name: str, *steps: str, keep_alive: bool = True) -> str:
    """Launch a hollow cluster; each of its steps lasts two hours."""
    iam = box.client("iam")
    if not iam.list_instance_profiles()["InstanceProfiles"]:
        iam.create_role(RoleName="nodes", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName="nodes")
        iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
    answer = box.client("emr").run_job_flow(
        Name=name,
        ReleaseLabel="emr-spark-8.0.0",
        ServiceRole="service",
        JobFlowRole="nodes",
        Instances={
            "InstanceGroups": [
                {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
                {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2},
            ],
            "KeepJobFlowAliveWhenNoSteps": keep_alive,
        },
        Steps=[
            {
                "Name": step,
                "ActionOnFailure": "CONTINUE",
                "HadoopJarStep": {
                    "Jar": "command-runner.jar",
                    "Args": ["emrbox-script", "--seconds", "7200"],
                },
            }
            for step in steps
        ],
        Tags=[{"Key": "emrbox:hollow", "Value": "true"}, {"Key": "evil", "Value": EVIL}],
    )
    return str(answer["JobFlowId"])


def shows(text: str) -> str:
    return f"document.body.innerText.includes({text!r})"


def test_the_page_follows_a_cluster_and_takes_names_for_text(box: Any, browser: Chromium) -> None:
    cluster = launch(box, "nightly load", EVIL)
    browser.open(f"{box.environment['AWS_ENDPOINT_URL']}/_emrbox/")
    browser.wait(shows("nightly load"))
    browser.wait("document.querySelector('#details table')")  # the first is shown unasked
    button = (
        "[...document.querySelectorAll('.list button')].find((b) => b.innerText.includes('nightly load'))"
    )
    browser.run(f"{button}.click()")
    browser.wait("document.querySelector('#details').innerText.includes('onerror')")
    browser.wait("document.querySelector('#happened').innerText.includes('onerror')")
    assert browser.run("document.querySelectorAll('img, main script').length") == 0
    box.client("emr").terminate_job_flows(JobFlowIds=[cluster])
    browser.wait(f"{button}.innerText.includes('TERMINATED')")
    assert browser.run("location.hash") == f"#{cluster}"
    assert browser.run("document.title") == "emrbox"
    assert browser.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off_or_hard_to_read(box: Any, browser: Chromium, width: int, scheme: str) -> None:
    cluster = launch(box, "a-cluster-with-a-name-that-has-no-place-to-break-" + "x" * 60, "s" * 200)
    url = f"{box.environment['AWS_ENDPOINT_URL']}/_emrbox/#{cluster}"
    browser.open(url, width, 900, scheme=scheme)
    for tab in ("calls", "faults", "events"):
        browser.wait("document.querySelector('#pulse.live')")
        browser.run(f"document.querySelector('[data-tab={tab}]').click()")
        browser.wait(f"document.querySelector('[data-tab={tab}]').ariaSelected === 'true'")
        browser.wait("document.querySelector('#details h2')")
        assert browser.run("document.documentElement.scrollWidth") <= width
    light = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part > 127)"
    assert browser.run(light) is (scheme == "light")
    assert browser.errors == []


def test_a_node_s_page_opens_under_a_name_of_its_own(box: Any, browser: Chromium) -> None:
    [instance] = box.launch()
    name = instance["PrivateDnsName"].partition(".")[0]
    page = shlex.quote(f"<title>mine</title><a href='http://{name}.ec2.internal:8042/node'>node</a>")
    serve = (
        f"mkdir page && cd page && echo {page} >index.html && (python3 -m http.server 8088 >log 2>&1 &);"
        " until (exec 3<>/dev/tcp/127.0.0.1/8088) 2>/dev/null; do sleep 0.05; done"
    )
    box.ssh(instance, f"timeout 30 bash -c {shlex.quote(serve)}")
    port = box.environment["AWS_ENDPOINT_URL"].rpartition(":")[2]
    browser.open(f"http://p8088.{name}.nodes.localhost:{port}/")
    assert browser.run("document.title") == "mine"
    link = browser.run("document.querySelector('a').href")
    assert link == f"http://p8042.{name}.nodes.localhost:{port}/node"


def test_the_page_says_when_the_box_is_gone(make_box: Any, browser: Chromium) -> None:
    box = make_box()
    box.up()
    browser.open(f"{box.environment['AWS_ENDPOINT_URL']}/_emrbox/")
    browser.wait("document.querySelector('#pulse.live')")
    box.command("down")
    browser.wait("document.querySelector('#pulse.lost')")


def test_what_people_are_not_shown_is_not_there_for_nodes(box: Any) -> None:
    [instance] = box.launch()
    address = "http://aws.emrbox.internal/_emrbox/page/state"
    asked = box.ssh(instance, f"curl -s -o /dev/null -w '%{{http_code}}' {address}")
    assert asked == "403"
