"""Names of organisations, domains and words. All domains end in `.example`, which nobody can own."""

import numpy as np

__all__ = ["lookalike", "made_up_words", "unique_domains"]

_STARTS = (
    "b",
    "br",
    "c",
    "cl",
    "d",
    "f",
    "g",
    "gr",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "r",
    "s",
    "st",
    "t",
    "v",
)
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ai", "ou")
_ENDS = ("", "n", "r", "l", "s", "nd", "rt", "x", "m", "st")
_TRADES = ("bank", "air", "health", "shop", "cargo", "energy", "media", "soft", "foods", "insure")
_SWAPS = (("l", "1"), ("o", "0"), ("i", "1"), ("e", "3"), ("m", "rn"), ("s", "5"))


def made_up_words(random: np.random.Generator, count: int, syllables: int = 2) -> list[str]:
    """Return `count` different words that can be spoken; the same generator state gives the same words."""
    words: dict[str, None] = {}
    while len(words) < count:
        parts = random.integers(0, 1 << 30, (count, syllables, 3))
        for row in parts:
            word = "".join(
                _STARTS[a % len(_STARTS)] + _VOWELS[b % len(_VOWELS)] + _ENDS[c % len(_ENDS)]
                for a, b, c in row
            )
            words[word] = None
    return list(words)[:count]


def unique_domains(random: np.random.Generator, count: int, *, with_trade: bool) -> list[str]:
    """Return `count` different registrable domains."""
    words = made_up_words(random, count)
    if not with_trade:
        return [f"{word}.example" for word in words]
    trades = random.integers(0, len(_TRADES), count)
    return [f"{word}{_TRADES[trade]}.example" for word, trade in zip(words, trades, strict=True)]


def lookalike(random: np.random.Generator, domain: str) -> str:
    """Return a domain that a hurried reader takes for `domain`: swapped letters, an added word."""
    stem = domain.removesuffix(".example")
    possible = [(old, new) for old, new in _SWAPS if old in stem]
    how = int(random.integers(0, 4))
    if how == 0 and possible:
        old, new = possible[int(random.integers(0, len(possible)))]
        return f"{stem.replace(old, new, 1)}.example"
    if how == 1:
        at = int(random.integers(1, len(stem)))
        return f"{stem[:at]}{stem[at - 1]}{stem[at:]}.example"
    if how == 2:  # noqa: PLR2004  # the third of four ways
        at = int(random.integers(1, len(stem) - 1))
        return f"{stem[:at]}{stem[at + 1]}{stem[at]}{stem[at + 2 :]}.example"
    word = ("secure", "login", "billing", "support", "account")[int(random.integers(0, 5))]
    return f"{stem}-{word}.example"
