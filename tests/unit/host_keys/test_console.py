"""Keys in console outputs: the format of cloud-init, and anything that a machine may have printed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.host_keys import console

if TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"
# The form of an Amazon Linux console, around the keys.
BEFORE = """\
[    0.000000] Linux version 6.1.0 (mockbuild@host) #1 SMP
ci-info: no authorized SSH keys fingerprints found for user hadoop.
<14>Nov 22 06:00:00 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----
<14>Nov 22 06:00:00 cloud-init: 256 SHA256:abc root@ip-10-0-0-1 (ED25519)
<14>Nov 22 06:00:00 cloud-init: -----END SSH HOST KEY FINGERPRINTS-----
"""
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBRnVXxx1oAJi3JgGWp1PaVLMAm1zVh3vU0yqHvY9mKc"


def output(*keys: str, after: str = "Amazon Linux 2023\nip-10-0-0-1 login: ", ending: str = "\r\n") -> str:
    return ending.join([*BEFORE.splitlines(), BEGIN, *keys, END, *after.splitlines()])


def test_every_key_of_the_block_is_read(lines: list[str]) -> None:
    found = console.keys(output(*lines))
    assert [f"{key.kind} {key.text}" for key in found] == [line.rpartition(" ")[0] for line in lines]


def test_a_fingerprint_is_what_ssh_keygen_shows(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("\n".join(lines) + "\n")
    said = subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True).stdout
    assert [key.fingerprint for key in console.keys(output(*lines))] == [
        line.split()[1] for line in said.splitlines()
    ]


def test_after_a_second_boot_the_last_whole_block_counts(lines: list[str]) -> None:
    assert [key.kind for key in console.keys(output(lines[0]) + output(lines[1]))] == ["ecdsa-sha2-nistp256"]
    cut = output(lines[0]) + output(lines[1]).partition(END)[0]
    assert [key.kind for key in console.keys(cut)] == ["ssh-ed25519"]


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        output(ED25519).partition(BEGIN)[2],
        output(ED25519).partition(END)[0],
        output(),
        output(f"{ED25519[:-5]}\x00\x00\x00\x00"),
        output(f"* {ED25519}"),
        output(f"@cert-authority * {ED25519}"),
        output("ssh-dss AAAAB3NzaC1kc3MAAAAA"),
        output(ED25519.replace("ssh-ed25519", "ssh-rsa")),
        output(ED25519, "[   14.2] something of the kernel"),
        output(*[ED25519] * 17),
        output("ssh-rsa " + "A" * 5000),
    ],
)
def test_of_a_damaged_block_no_key_is_taken(damaged: str) -> None:
    assert console.keys(damaged) == []


PARTS = st.one_of(
    texts(ED25519), st.sampled_from([BEGIN, END, ED25519, f"{ED25519} root@{{{{ 7*7 }}}}", "ssh-ed25519 "])
)


@many
@given(parts=st.lists(PARTS, max_size=8), ending=st.sampled_from(["\n", "\r\n", "\r", " ", "\x0b", "\u2028"]))
def test_whatever_a_machine_prints_only_whole_keys_are_read(parts: list[str], ending: str) -> None:
    for key in console.keys(ending.join(parts)):
        line = f"{key.kind} {key.text}"
        assert len(line.split()) == 2
        assert line.isascii()
        assert line.isprintable()
        assert key.kind.startswith(("ssh-", "ecdsa-"))
        assert key.fingerprint.startswith("SHA256:")
