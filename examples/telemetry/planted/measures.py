"""Precision and recall of what the jobs found against what was planted. Pure arithmetic on small tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Score:
    """How well one kind of thing was found, between 0 and 1. Nothing found or planted counts as 0."""

    precision: float
    recall: float
    found: int
    planted: int

    @classmethod
    def of(cls, *, right: float, found: float, reached: float, planted: float) -> "Score":
        """Make a score of counts: `right` of what was `found`, `reached` of what was `planted`."""
        return cls(
            precision=round(float(right / found), 4) if found else 0.0,
            recall=round(float(reached / planted), 4) if planted else 0.0,
            found=int(found),
            planted=int(planted),
        )


def _interval(network: str) -> tuple[int, int]:
    parsed = IPv4Network(network)
    return int(parsed.network_address), int(parsed.broadcast_address)


def sender_networks(found: pd.DataFrame, planted: pd.DataFrame) -> Score:
    """Legitimate networks per domain. A found one is right inside a planted one of that domain.

    Planted pairs that sent nothing that day cannot be found and need not be.
    """
    truth: dict[str, list[tuple[int, int]]] = {}
    due: set[tuple[str, tuple[int, int]]] = set()
    for domain, network, count in zip(
        planted["domain"], planted["network"], planted["messages"], strict=True
    ):
        truth.setdefault(domain, []).append(_interval(network))
        if count > 0:
            due.add((domain, _interval(network)))
    legitimate = found[found["verdict"] == "legitimate"]
    right = 0
    reached: set[tuple[str, tuple[int, int]]] = set()
    for domain, network in zip(legitimate["domain"], legitimate["network"], strict=True):
        first, last = _interval(network)
        around = [block for block in truth.get(domain, []) if block[0] <= first and last <= block[1]]
        right += bool(around)
        reached.update((domain, block) for block in around)
    return Score.of(right=right, found=len(legitimate), reached=len(reached & due), planted=len(due))


def networks(found: Iterable[str], planted: pd.DataFrame, min_messages: int) -> Score:
    """Score forwarders. Those of less than `min_messages` need not be found, but are no mistakes."""
    seen, every = set(found), set(planted["network"])
    due = set(planted.loc[planted["messages"] >= min_messages, "network"])
    return Score.of(right=len(seen & every), found=len(seen), reached=len(seen & due), planted=len(due))


def forged_messages(models: pd.DataFrame, messages: pd.DataFrame) -> Score:
    """Messages that falsely claim an organisation's domain, judged by the verdict on their (domain, network).

    Forwarded ones are left out: on a forwarder's network the network says nothing about a single message.
    """
    claimed = messages[messages["header_from_domain"].isin(set(models["domain"])) & ~messages["forwarded"]]
    verdicts = _verdicts(models, claimed)
    called, forged = verdicts == "forged", claimed["forged"].to_numpy()
    hits = int((called & forged).sum())
    return Score.of(right=hits, found=int(called.sum()), reached=hits, planted=int(forged.sum()))


def _verdicts(models: pd.DataFrame, messages: pd.DataFrame) -> np.ndarray:
    """Look up every message's verdict by the longest network of its domain that holds its address."""
    lengths = models["network"].str.rpartition("/")[2].astype(int)
    addresses = messages["sending_ip"].map({a: int(IPv4Address(a)) for a in messages["sending_ip"].unique()})
    verdicts = np.full(len(messages), "", dtype=object)
    for length in sorted(set(lengths)):
        block = models[lengths == length]
        keys = zip(block["domain"], (_interval(network)[0] for network in block["network"]), strict=True)
        known = dict(zip(keys, block["verdict"], strict=True))
        base = addresses // (1 << (32 - length)) * (1 << (32 - length))
        here = [known.get(key, "") for key in zip(messages["header_from_domain"], base, strict=True)]
        verdicts = np.where(np.array(here, dtype=object) != "", here, verdicts)
    return verdicts


def domains(found: Iterable[str], planted: pd.DataFrame, min_messages: int) -> Score:
    """Score bad domains. Those of less than `min_messages` need not be found, but are no mistakes."""
    seen = set(found)
    bad = planted[planted["disreputable"]]
    due = set(bad.loc[bad["messages"] >= min_messages, "domain"])
    return Score.of(
        right=len(seen & set(bad["domain"])), found=len(seen), reached=len(seen & due), planted=len(due)
    )


def _cells(found: pd.Series, planted: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sizes of overlaps between found and planted groups, and of these groups. NaN is no group."""
    table = pd.DataFrame({"found": found, "planted": planted})
    both = table.dropna().groupby(["found", "planted"]).size()
    whole_found = table["found"].value_counts().reindex(both.index.get_level_values("found")).to_numpy()
    whole_planted = table["planted"].value_counts().reindex(both.index.get_level_values("planted")).to_numpy()
    return both.to_numpy(), whole_found, whole_planted


def campaign_pairs(found: pd.Series, planted: pd.Series) -> Score:
    """Score pairs of messages in one campaign; large ones weigh most. Both have one entry per message."""
    overlap, _, _ = _cells(found, planted)
    right = _pairs(overlap)
    return Score.of(
        right=right,
        found=_pairs(found.value_counts().to_numpy()),
        reached=right,
        planted=_pairs(planted.value_counts().to_numpy()),
    )


def _pairs(sizes: np.ndarray) -> int:
    return int((sizes.astype(np.int64) * (sizes - 1) // 2).sum())


def campaign_messages(found: pd.Series, planted: pd.Series) -> Score:
    """Score by message (B-cubed): how pure its found campaign is, how much of its planted one is there."""
    overlap, whole_found, whole_planted = _cells(found, planted)
    return Score.of(
        right=float((overlap * overlap / whole_found).sum()),
        found=int(found.notna().sum()),
        reached=float((overlap * overlap / whole_planted).sum()),
        planted=int(planted.notna().sum()),
    )
