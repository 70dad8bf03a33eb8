"""YAML with the lines of its keys, and secrets that are found in it: whatever the text holds."""

from __future__ import annotations

from typing import Any

import yaml
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import UsageError, caught
from kiln.settings import literal_secrets, yaml_files

TEXT = """\
a: 1
steps:
  - name: x
    spark: {conf: {spark.a: 1}}
  - &again
    name: y
more: *again
b:
  <<: *again
  name: z
"""


def test_every_key_has_its_line_and_merged_keys_are_no_repetition() -> None:
    found = yaml_files.parsed(TEXT, "f.yml")
    assert found.lines["steps[0].name"] == 3
    assert found.lines["steps[0].spark.conf.spark.a"] == 4
    assert found.lines["b.name"] == 10
    assert found.repeated == []
    assert found.content["b"] == {"name": "z"}


def test_each_key_that_stands_twice_is_found() -> None:
    found = yaml_files.parsed("a: 1\nb: {c: 1, c: 2}\na: 2\n", "f.yml").repeated
    assert {one.message for one in found} == {
        "f.yml:3: a is set twice, first in line 1",
        "f.yml:2: b.c is set twice, first in line 2",
    }


@many
@given(text=texts("a: 1", "&a [*a]", "{a: 1, a: 2}", "? [a]\n: b", "a: &x {b: *x}"))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    error = caught(lambda: yaml_files.parsed(text, "f.yml"))
    assert error is None or isinstance(error, UsageError)


@many
@given(value=documents())
def test_any_document_has_the_lines_of_its_keys(value: Any) -> None:
    text = yaml.safe_dump({"top": value})
    read: list[yaml_files.Parsed] = []
    error = caught(lambda: read.append(yaml_files.parsed(text, "f.yml")))
    if error is not None:  # half of a surrogate pair: libyaml, and so Ansible, takes none
        assert "invalid Unicode character escape" in str(error)
        assert "\\uD" in text
        return
    (found,) = read
    assert found.lines["top"] == 1
    assert all(1 <= line <= len(text.splitlines()) for line in found.lines.values())


@many
@given(value=documents(), name=st.sampled_from(["daily_password", "--token", "x.secret.key", "args"]))
def test_secrets_are_looked_for_in_any_value(value: Any, name: str) -> None:
    for place, what in literal_secrets.found_in(name, {name: value}):
        assert place.startswith(name.removeprefix("--")) or place
        assert what


def test_what_only_looks_like_a_secret_is_none() -> None:
    for key, value in {
        "x_password_file": "/etc/x",
        "x_password": "{{ lookup('env', 'X') }}",
        "x_token": "",
        "steps": [{"command": ["--secrets-file", "/home/x", "--password-file=/x", "token"]}],
        "x_url": "https://git.example/x@y",
        "emr_cluster_key_pair": "team",
    }.items():
        assert list(literal_secrets.found_in(key, value)) == [], key
