"""From the words of a command line to values. argparse shows the errors."""

from __future__ import annotations

import argparse
import re


def count(text: str) -> int:
    """Read a number from 1 on; one that no pipeline reaches stands for all."""
    if not text.isascii() or not text.isdecimal() or not int(text[:9]):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text[:9])


def request(text: str) -> str:
    """Read the id of a request, which goes into the ledger."""
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,60}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id of letters, digits and _ . : -, at most 60")
    return text


def port(text: str) -> int:
    """Read the first of three ports that an ordinary user may open."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len("65533") else 0
    if not 1024 <= number <= 65_533:  # noqa: PLR2004  # as the message says
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1024 to 65533")
    return number


def hold(text: str) -> int:
    """Read for how long a cluster is held, in the range that EMR accepts for its idle policy."""
    from kiln import durations  # noqa: PLC0415  # for two options only

    try:
        seconds = durations.seconds_of(text)
    except ValueError:
        seconds = 0
    if not durations.SHORTEST_HOLD <= seconds <= durations.LONGEST_HOLD:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration from 60s to 7d, such as 30m or 2h")
    return seconds
