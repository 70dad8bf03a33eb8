"""Domain reputation: how far mail in a domain's own name can be trusted, from how the domain behaves.

Only mail that is the domain's own counts: pairs that the sender models call forged or forwarded are left
out, so that a bank is not blamed for those who imitate it. There are no labels here either. Domains of
registered organisations teach what good looks like, with those that write to nobody unknown and nothing
that others send too; domains that imitate an organisation's name, or that share content with others and
hammer at mailboxes that do not exist, teach what bad looks like. A logistic regression learns from these
and scores every domain.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from email_models.senders import FORGED, FORWARDER
from email_models.settings import ReputationSettings

_FEWEST_EXAMPLES = 5
_HAMMERS = 0.06  # an honest sender rarely has so many unknown recipients
_MISTYPED = 0.03  # what an honest sender gets wrong
_COPIES = 0.2  # an honest sender rarely shares so much of its content with other domains
_CONFUSED = str.maketrans({"1": "l", "0": "o", "3": "e", "5": "s"})
_LURES = ("secure", "login", "billing", "support", "account")


def is_lookalike(domain: str, organisations: Mapping[str, str], max_edits: int) -> bool:
    """Tell whether `domain` imitates one of `organisations` (domain -> plain name) and is none of them."""
    if domain in organisations:
        return False
    stem = plain_name(domain)
    return any(_imitates(stem, plain, max_edits) for plain in organisations.values())


def plain_name(domain: str) -> str:
    """Return the name without what imitators do to it: digits for letters, an added word."""
    stem = domain.split(".", maxsplit=1)[0].translate(_CONFUSED).replace("rn", "m")
    for lure in _LURES:
        stem = stem.removesuffix(f"-{lure}")
    return stem


def _imitates(stem: str, other: str, max_edits: int) -> bool:
    if abs(len(stem) - len(other)) > max_edits or len(set(stem) ^ set(other)) > 2 * max_edits:
        return False
    if min(len(stem), len(other)) < 3 * max_edits:
        return False
    return edits_between(stem, other, at_most=max_edits) <= max_edits


def edits_between(first: str, second: str, at_most: int) -> int:
    """Return the Levenshtein distance, or some number above `at_most` as soon as it is sure to be larger."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        previous, row = row, [i]
        for j, b in enumerate(second, start=1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (a != b)))
        if min(row) > at_most:
            return at_most + 1
    return row[-1]


def score_domains(
    pairs: pd.DataFrame,
    networks: pd.DataFrame,
    shared: pd.Series,
    organisations: set[str],
    settings: ReputationSettings,
) -> pd.DataFrame:
    """Return a row per domain with its `score` (0 good, 1 bad) and `disreputable`.

    `pairs` has the evidence per (domain, network), and a `verdict` where the domain belongs to an
    organisation; `networks` says which networks forward; `shared` counts by domain the messages that other
    domains sent too.
    """
    relays = set(networks.loc[networks["forwarder"], "network"])
    own = pairs[~pairs["verdict"].isin([FORGED, FORWARDER]) & ~pairs["network"].isin(relays)]
    domains = _by_domain(own, _neighbourhoods(pairs))
    relayed = pairs[pairs["network"].isin(relays)].groupby("domain")["messages"].sum()
    domains["forwarded"] = domains["domain"].map(relayed).fillna(0).astype(int)
    domains["shared_messages"] = np.minimum(
        domains["domain"].map(shared).fillna(0).astype(int), domains["messages"]
    )
    domains["organisation"] = domains["domain"].isin(organisations)
    names = {domain: plain_name(domain) for domain in organisations}
    domains["lookalike"] = [is_lookalike(d, names, settings.lookalike_max_edits) for d in domains["domain"]]
    score = _scores(domains)
    score = np.where(domains["organisation"], np.minimum(score, 0.2), score)
    score = np.where(domains["lookalike"], np.maximum(score, 0.8), score)
    enough = (domains["messages"] >= settings.min_messages) | domains["lookalike"]
    return domains.assign(
        score=score.round(4), disreputable=enough & (score >= settings.disreputable_threshold)
    ).drop(columns=["bad_company"])


def _neighbourhoods(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return what a network sends in all: a domain is known by the company that it keeps."""
    return pairs.groupby("network").agg(
        all_messages=("messages", "sum"), all_unknown=("unknown_recipients", "sum")
    )


def _by_domain(own: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    here = own.join(networks, on="network")
    others = here["all_messages"] - here["messages"]
    company = (here["all_unknown"] - here["unknown_recipients"] + 0.2) / (others + 8.0)
    here = here.assign(bad_company=company * here["messages"])
    domains = here.groupby("domain", as_index=False).agg(
        messages=("messages", "sum"),
        networks=("network", "size"),
        authenticated=("authenticated", "sum"),
        unknown_recipients=("unknown_recipients", "sum"),
        with_links=("with_links", "sum"),
        links_elsewhere=("links_elsewhere", "sum"),
        bad_company=("bad_company", "sum"),
    )
    domains["bad_company"] /= domains["messages"]
    return domains


def _features(domains: pd.DataFrame) -> np.ndarray:
    """Behaviour as rates, with small counts drawn towards what is usual."""
    messages = domains["messages"]
    return np.column_stack(
        [
            np.log((domains["unknown_recipients"] + 0.1) / (messages + 3.0)),
            (domains["links_elsewhere"] + 0.9) / (domains["with_links"] + 3.0),
            np.log(domains["bad_company"]),
            (domains["shared_messages"] + 0.1) / (messages + 2.0),
            np.log(domains["networks"] / np.sqrt(messages)),
            np.log((domains["forwarded"] + 0.3) / (messages + domains["forwarded"] + 4.0)),
        ]
    )


def _scores(domains: pd.DataFrame) -> np.ndarray:
    """Learn from the domains that are clear, and score all."""
    messages = domains["messages"]
    unknown = (domains["unknown_recipients"] + 0.1) / (messages + 3.0)
    shared = domains["shared_messages"] / messages
    # One unknown recipient happens to everybody; asking for none would teach that one is a sign of the bad.
    clear = (domains["unknown_recipients"] <= 1 + _MISTYPED * messages) & (shared <= _MISTYPED)
    bad = ~domains["organisation"] & (domains["lookalike"] | ((shared >= _COPIES) & (unknown >= _HAMMERS)))
    good = ~bad & (domains["organisation"] | clear)
    if min(int(bad.sum()), int(good.sum())) < _FEWEST_EXAMPLES:
        return np.where(bad, 0.9, 0.1)
    features, known = _features(domains), (bad | good).to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(features[known], bad[known])
    return np.asarray(model.predict_proba(features)[:, 1])
