"""Addresses of remotes: those that git may be given, and those that mean harm."""

from __future__ import annotations

import pytest
from hostile import many, texts
from hypothesis import given

from kiln.errors import UsageError, caught
from kiln.model_repo import address
from kiln.model_repo.git_remote import Remote

GOOD = [
    ("/srv/git/model_repo.git", "file", None),
    ("https://git.example.com/team/repo.git", "https", None),
    ("https://bot@git.example.com:8443/team/repo.git", "https", None),
    ("ssh://git@git.example.com:22/team/repo.git", "ssh", "git.example.com"),
    ("ssh://git@git.example.com:2222/team/repo.git", "ssh", "[git.example.com]:2222"),
    ("git@git.example.com:team/repo.git", "ssh", "git.example.com"),
    ("Git.Example.com:team/repo.git", "ssh", "git.example.com"),
    ("file:///srv/git/repo.git", "file", None),
    ("ssh://git@[2001:db8::1]/repo.git", "ssh", "2001:db8::1"),
]


@pytest.mark.parametrize(("url", "protocol", "known_as"), GOOD)
def test_an_address_of_a_remote_passes(url: str, protocol: str, known_as: str | None) -> None:
    assert address.check(url) == url
    assert address.protocol(url) == protocol
    server = address.server(url)
    assert (server.known_as if server else None) == known_as


@pytest.mark.parametrize(
    "url",
    [
        "",
        "repo.git",
        "../repo.git",
        "--upload-pack=touch x",
        "-x",
        "ext::sh -c touch% x",
        "ext::sh",
        "fd::7",
        "x::https://git.example.com/repo.git",
        "git://git.example.com/repo.git",
        "ftp://git.example.com/repo.git",
        "ssh://-oProxyCommand=x/repo.git",
        "ssh://git@-oProxyCommand=x/repo.git",
        "-oProxyCommand=x:repo.git",
        "git@-oProxyCommand=x:repo.git",
        "git@host:-repo.git",
        "ssh://host/-repo.git",
        "ssh://host:99999/repo.git",
        "https://host/re\npo.git",
        "https://host/re po.git",
        "file://host/repo.git",
        "https://",
        "https://[::1/repo",
    ],
)
def test_what_is_no_address_of_a_remote_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="model_repo_url") as error:
        address.check(url)
    assert error.value.message.isprintable()
    assert error.value.fix


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="holds a password") as error:
        address.check("https://bot:canary-secret@git.example.com/repo.git")
    assert "canary-secret" not in error.value.message + error.value.fix


@pytest.mark.parametrize("url", ["/srv/git/repo.git", "file:///srv/git/repo.git", "http://host/repo.git"])
def test_a_path_and_plain_http_are_refused_unless_the_settings_allow_them(url: str) -> None:
    with pytest.raises(UsageError, match=r"model_repo_protocols does not allow (file|http)") as error:
        Remote(url=url).check()
    assert "model_repo_protocols" in error.value.fix
    Remote(url=url, protocols=("http", "file")).check()


def test_a_deploy_key_is_refused_where_ssh_is_not_used() -> None:
    with pytest.raises(UsageError, match="model_repo_deploy_key") as error:
        Remote(url="https://git.example.com/repo.git", deploy_key="canary-secret").check()
    assert "canary-secret" not in error.value.message + error.value.fix


def test_a_remote_that_is_shown_shows_no_key() -> None:
    assert "canary" not in repr(Remote(url="git@host:repo.git", deploy_key="canary-secret"))


@many
@given(text=texts("https://host/x", "git@host:x", "/srv/repo"))
def test_no_address_becomes_an_option_or_a_transport_that_runs_commands(text: str) -> None:
    for value in (text, f"ssh://{text}/x", f"git@{text}"):
        error = caught(lambda value=value: address.check(value))  # type: ignore[misc]  # bound at once
        if error:
            assert isinstance(error, UsageError)
            assert error.message.isprintable()
            assert len(error.message) < 200
            continue
        assert value.isprintable()
        assert not value.startswith("-")
        assert "::" not in value.partition("/")[0]
        assert address.protocol(value) in address.PROTOCOLS
        server = address.server(value)
        assert server is None or not server.host.startswith("-")
        if not value.startswith("/"):
            assert "@-" not in value
            assert "//-" not in value
