"""The SSH host keys in the console output of an instance.

cloud-init prints them at an instance's first boot, between two marks (module cc_keys_to_console). EMR's AMIs
are Amazon Linux with cloud-init; that they print the keys is a guess (docs/aws_facts.md 6.4).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NamedTuple

_BEGIN, _END = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"
# The kinds that sshd can have (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4).
_KINDS = frozenset(
    {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
)
# Of a key in base64: RSA with 16384 bits has 2,796. Of a block: sshd has three to five keys.
_MOST_CHARACTERS, _MOST_KEYS = 4096, 16


class HostKey(NamedTuple):
    """A public key: `kind` as in a known_hosts file, `text` in base64."""

    kind: str
    text: str

    @property
    def fingerprint(self) -> str:
        """Return what `ssh-keygen -l` shows for it."""
        digest = hashlib.sha256(base64.b64decode(self.text)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def keys(output: str) -> list[HostKey]:
    """Return the keys of the last complete block; none when there is none or a line of it is no key.

    The output is anything that the machine has printed. A block whose beginning was cut off, or into which
    something else was printed, is not used: EC2 keeps the last 64 KB only, and the kernel prints there, too.
    """
    lines = [line.strip() for line in output.splitlines()]
    if _END not in lines:
        return []
    end = len(lines) - 1 - lines[::-1].index(_END)
    before = lines[:end]
    if _BEGIN not in before:
        return []
    begin = len(before) - 1 - before[::-1].index(_BEGIN)
    found = [_key(line) for line in before[begin + 1 :] if line]
    whole = [key for key in found if key is not None]
    return whole if len(whole) == len(found) <= _MOST_KEYS else []


def _key(line: str) -> HostKey | None:
    """Return the key of a line `KIND BASE64 [COMMENT]`, None when it is no such line."""
    kind, _, rest = line.partition(" ")
    text = rest.partition(" ")[0]
    if kind not in _KINDS or not text.isascii() or len(text) > _MOST_CHARACTERS:
        return None
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    # Its first field repeats the kind (RFC 4253 6.6).
    name = kind.encode()
    return HostKey(kind, text) if blob.startswith(len(name).to_bytes(4) + name) else None
