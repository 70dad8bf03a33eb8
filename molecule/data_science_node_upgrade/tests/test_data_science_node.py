"""An instance whose dashboard has been replaced."""

import pytest
from testinfra.host import Host

TOKEN = "/opt/kiln/notebooks/token"
SERVICES = {"jupyterlab": 8888, "voila": 8866}


def asked(host: Host, path: str, *, has_token: bool) -> str:
    """Return the body of an answer, with its status behind it."""
    header = f'-H "Authorization: token $(cat {TOKEN})"' if has_token else ""
    return str(host.check_output(f"curl -s -w ' %{{http_code}}' {header} http://127.0.0.1:{path}"))


@pytest.mark.parametrize(("module", "port"), SERVICES.items())
def test_services_run_as_their_user_on_the_loopback(host: Host, module: str, port: int) -> None:
    process = f"$(pgrep -o -f 'python -m {module}')"
    assert host.check_output(f"stat -c %U /proc/{process}") == "jupyter"
    assert "NoNewPrivs:\t1" in host.check_output(f"cat /proc/{process}/status")
    listening = [line.split()[3] for line in host.check_output("ss -Hltn").splitlines()]
    assert [one for one in listening if one.endswith(f":{port}")] == [f"127.0.0.1:{port}"]


def test_one_token_opens_both_and_nothing_else_does(host: Host) -> None:
    assert host.check_output(f"stat -c '%U %a %s' {TOKEN}") == "jupyter 400 64"
    for path, refused in (("8888/api/contents", "403"), ("8866/", "302")):
        assert asked(host, path, has_token=True).endswith(" 200")
        assert asked(host, path, has_token=False).endswith(f" {refused}")


def test_the_page_is_the_team_s_own(host: Host) -> None:
    assert "42 of kiln_local" in asked(host, "8866/", has_token=True)


def test_jupyterlab_goes_on_while_the_dashboard_is_replaced(host: Host) -> None:
    assert host.check_output("pgrep -o -f 'python -m jupyterlab'") == host.check_output(
        "cat /var/tmp/first_jupyterlab"
    )


def test_only_root_can_change_what_the_services_run(host: Host) -> None:
    found = host.check_output("find /opt/kiln ! -user root -o -perm /022 ! -type l").splitlines()
    assert found == [TOKEN]
