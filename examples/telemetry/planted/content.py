# ruff: noqa: PLR2004  # rates of the planted world stand where they are used
"""What messages say: words by topic, campaigns as templates that every copy mutates."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from planted.arrays import Bools, Floats, Ints
from planted.flows import Campaigns
from planted.names import made_up_words

Words: TypeAlias = NDArray[np.int32]

SUBJECT_WIDTH = 9
BODY_WIDTH = 18
_WIDTH = SUBJECT_WIDTH + BODY_WIDTH
_TOPICS = 50
_TOPIC_WORDS = 80
_COMMON = 6000
_FIRST_NAMES = 500


@dataclass(frozen=True)
class Texts:
    """Word numbers of every message: `words[message, place]` counts where `used` is true."""

    vocabulary: list[str]
    words: Words
    used: Bools


def write_texts(random: np.random.Generator, campaign: Ints, campaigns: Campaigns) -> Texts:
    """Give every message its words: a template's, mutated, when it belongs to a campaign, else its own."""
    count, kinds = len(campaign), len(campaigns.hostile)
    topics = random.integers(0, _COMMON, (_TOPICS, _TOPIC_WORDS)).astype(np.int32)
    templates = _templates(random, topics, kinds)
    hostile = np.array(campaigns.hostile)
    rates = np.where(hostile, random.uniform(0.02, 0.2, kinds), random.uniform(-0.08, 0.12, kinds))
    words, member = _fresh(random, topics, count), campaign >= 0
    kept = member[:, None] & (random.random((count, _WIDTH)) >= rates[campaign][:, None])
    words = np.where(kept, templates[campaign], words)
    used = _lengths(random, campaign, kinds)
    used &= ~((member & hostile[campaign])[:, None] & (random.random((count, _WIDTH)) < 0.02))
    _greet(random, words, used, member & (random.random(kinds) < 0.4)[campaign])
    _shuffle_subjects(random, words, used, member & (hostile & (random.random(kinds) < 0.4))[campaign])
    return Texts(vocabulary=made_up_words(random, _COMMON + _FIRST_NAMES), words=words, used=used)


def _fresh(random: np.random.Generator, topics: Words, count: int) -> Words:
    """Return words of unrelated texts: half from a topic, half from everywhere, common words first."""
    topic = random.integers(0, _TOPICS, count)
    special = np.floor(_TOPIC_WORDS * random.random((count, _WIDTH), dtype=np.float32) ** 1.5).astype(
        np.int32
    )
    common = np.floor(_COMMON * random.random((count, _WIDTH), dtype=np.float32) ** 2.5).astype(np.int32)
    is_special = random.random((count, _WIDTH), dtype=np.float32) < 0.5
    return np.asarray(np.where(is_special, topics[topic[:, None], special], common), dtype=np.int32)


def _templates(random: np.random.Generator, topics: Words, count: int) -> Words:
    """Templates of campaigns; one in four is another one's text rewritten by half, as kits are reused."""
    templates = _fresh(random, topics, count)
    parent = random.integers(0, count, count)
    inherits = (random.random(count) < 0.25)[:, None] & (random.random((count, _WIDTH)) < 0.5)
    return np.where(inherits, templates[parent], templates)


def _lengths(random: np.random.Generator, campaign: Ints, kinds: int) -> Bools:
    def lengths(low: int, width: int) -> Bools:
        alone = random.integers(low, width + 1, len(campaign))
        together = random.integers(low, width + 1, kinds)[campaign]
        wanted = np.where(campaign >= 0, together, alone)
        return np.arange(width)[None, :] < wanted[:, None]

    return np.concatenate([lengths(4, SUBJECT_WIDTH), lengths(11, BODY_WIDTH)], axis=1)


def _greet(random: np.random.Generator, words: Words, used: Bools, chosen: Bools) -> None:
    """Put the reader's first name in front of the body, in place."""
    names = random.integers(_COMMON, _COMMON + _FIRST_NAMES, int(chosen.sum()))
    words[chosen, SUBJECT_WIDTH] = names
    used[chosen, SUBJECT_WIDTH] = True


def _shuffle_subjects(random: np.random.Generator, words: Words, used: Bools, chosen: Bools) -> None:
    """Change the order of the subject's words, in place."""
    rows = np.flatnonzero(chosen)
    keys: Floats = random.random((len(rows), SUBJECT_WIDTH)) + ~used[rows, :SUBJECT_WIDTH]
    order = np.argsort(keys, axis=1)
    words[rows, :SUBJECT_WIDTH] = np.take_along_axis(words[rows, :SUBJECT_WIDTH], order, axis=1)
    used[rows, :SUBJECT_WIDTH] = np.take_along_axis(used[rows, :SUBJECT_WIDTH], order, axis=1)


@dataclass(frozen=True)
class Extras:
    """Link domains (places in the world's names, -1 for none), attachment digests (0: none), sizes."""

    links: Ints
    digests: Ints
    size_bytes: Ints


def add_extras(  # noqa: PLR0917  # the columns that it depends on
    random: np.random.Generator,
    campaign: Ints,
    campaigns: Campaigns,
    sender: Ints,
    honest_links: Ints,
    attachment_rate: Floats,
    popular_domains: Ints,
    hostile_domains: Ints,
) -> Extras:
    """Add what else a message carries. A campaign's copies share links and files, or rotate them."""
    count, kinds = len(campaign), len(campaigns.hostile)
    hostile, member = np.array(campaigns.hostile), campaign >= 0
    pool = hostile_domains[random.integers(0, len(hostile_domains), (kinds, 3))]
    rotates = random.integers(1, 4, kinds)
    rotated = pool[campaign, np.floor(rotates[campaign] * random.random(count)).astype(np.int64)]
    mimics = random.random(kinds) < 0.3  # links to the real site, the lure is elsewhere
    hostile_first = np.where(mimics[campaign], sender, rotated)
    first = np.where(
        member & hostile[campaign], hostile_first, np.where(honest_links >= 0, honest_links, sender)
    )
    second = popular_domains[random.integers(0, len(popular_domains), count)]
    links = np.stack(
        [np.where(random.random(count) < 0.75, first, -1), np.where(random.random(count) < 0.3, second, -1)],
        axis=1,
    )
    own_file = random.integers(1, 1 << 62, count)
    polymorphic, carries = random.random(kinds) < 0.5, random.random(kinds)
    shared_file = random.integers(1, 1 << 62, kinds)[campaign]
    file = np.where(member & ~polymorphic[campaign], shared_file, own_file)
    has_file = np.where(member, carries[campaign], random.random(count)) < attachment_rate
    typical = np.where(member, random.uniform(8.0, 11.5, kinds)[campaign], random.uniform(7.5, 12.0, count))
    size_bytes = np.exp(typical + random.normal(0, 0.05, count)) + np.where(has_file, 60_000, 0)
    return Extras(links=links, digests=np.where(has_file, file, 0), size_bytes=size_bytes.astype(np.int64))
