"""Sender models: which networks legitimately send for which domain, and which only forward.

Input is evidence per (domain, network), summed over one day's messages (see evidence.py). There are no
labels. Three steps, each leaning on what the one before it is sure of:

1. Forwarders, by network: guests from many domains, each of which sends nearly all of its mail elsewhere;
   signatures that survived although SPF does not cover the network.
2. Networks whose mail authenticates as the domain (aligned SPF or DKIM) and carries a real share of it:
   legitimate.
3. The rest has no proof. A logistic regression learns from step 2 what honest mail looks like (how much of
   the domain's mail, how many unknown recipients, where links lead), against mail without proof that claims
   domains which otherwise always prove themselves. A network on which other domains do authenticate gets a
   bonus.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from email_models.settings import SenderSettings

LEGITIMATE, FORWARDER, FORGED = "legitimate", "forwarder", "forged"
# A domain has a home when one network sends this much of its mail.
_HOME_SHARE = 0.25
# A domain that authenticates this much of its mail is expected to.
_PROVES_ITSELF = 0.6
_FEWEST_EXAMPLES = 8
_ROUNDS = 3
_LEAST_DOUBT = 0.05
_CERTAIN = 12.0


def judge_networks(pairs: pd.DataFrame, settings: SenderSettings) -> pd.DataFrame:
    """Return one row per network: its evidence, and whether it is a forwarder."""
    frame = pairs.assign(
        domain_messages=pairs.groupby("domain")["messages"].transform("sum"),
        home=pairs.groupby("domain")["messages"].transform("max"),
        direct=pairs["spf_aligned"] > 0,
    )
    has_home = frame["home"] >= _HOME_SHARE * frame["domain_messages"]
    is_guest = ~frame["direct"] & (frame["messages"] < frame["home"]) & has_home
    frame["guests"] = is_guest
    frame["guest_messages"] = frame["messages"].where(is_guest, 0)
    frame["signed_guests"] = frame["dkim_aligned"].where(is_guest, 0)
    networks = frame.groupby("network").agg(
        messages=("messages", "sum"),
        domains=("domain", "size"),
        direct_domains=("direct", "sum"),
        domain_messages=("domain_messages", "sum"),
        guests=("guests", "sum"),
        guest_messages=("guest_messages", "sum"),
        signed_guests=("signed_guests", "sum"),
        authenticated=("authenticated", "sum"),
        unknown_recipients=("unknown_recipients", "sum"),
    )
    networks["guest_share"] = networks["messages"] / networks["domain_messages"]
    networks["signed_share"] = networks["signed_guests"] / networks["guest_messages"].clip(lower=1)
    networks["forwarder"] = (
        (networks["guests"] >= settings.forwarder_min_domains)
        & (networks["guest_share"] <= settings.forwarder_max_guest_share)
        & (
            networks["direct_domains"]
            <= np.maximum(1, settings.forwarder_max_direct_share * networks["domains"])
        )
        & (networks["signed_share"] >= settings.forwarder_min_signed_share)
    )
    return networks.reset_index()


def judge_senders(pairs: pd.DataFrame, networks: pd.DataFrame, settings: SenderSettings) -> pd.DataFrame:
    """Return `pairs` with `verdict` and `confidence`, the probability of being legitimate."""
    frame = _with_context(pairs, networks)
    relayed = frame["forwarder"].to_numpy()
    enough, messages = settings.authenticated_share, frame["messages"]
    listed = (frame["spf_aligned"] >= enough * messages).to_numpy() & ~relayed
    signed = (frame["dkim_aligned"] >= enough * messages).to_numpy() & ~relayed & ~listed
    # A signature survives forwarding: a network that carries a trace of a domain's signed mail passes it on.
    traces = signed & (frame["domain_share"] < settings.signed_min_share_of_domain).to_numpy()
    proven, relayed = listed | (signed & ~traces), relayed | traces
    evidence = _behaviour_log_odds(frame, proven, relayed)
    evidence += settings.prior_log_odds
    evidence += settings.good_company_bonus * (frame["company_proves"].to_numpy() >= enough)
    evidence += settings.family_bonus * (frame["family"].to_numpy() > 1)
    evidence += settings.own_network_bonus * _has_own_network(frame, settings)
    evidence -= settings.spf_refused_penalty * (frame["spf_refused"] / messages).to_numpy()
    legitimate = ~relayed
    for _ in range(_ROUNDS):
        log_odds = evidence + np.log(np.maximum(1.0 - _expected_proof(frame, legitimate), _LEAST_DOUBT))
        log_odds = np.where(proven, evidence + settings.proof_bonus, np.where(relayed, -_CERTAIN, log_odds))
        legitimate = log_odds >= 0.0
    confidence = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -_CERTAIN, _CERTAIN)))
    verdict = np.where(relayed, FORWARDER, np.where(legitimate, LEGITIMATE, FORGED))
    return pairs.assign(verdict=verdict, confidence=confidence.round(4))


def _has_own_network(frame: pd.DataFrame, settings: SenderSettings) -> np.ndarray:
    """Tell where one organisation alone, and regularly, sends from a network that is no provider's block."""
    lengths = frame["network"].str.rpartition("/")[2].astype(int)
    alone = frame.groupby("network")["organisation_id"].transform("nunique") == 1
    regular = frame["domain_share"] >= settings.signed_min_share_of_domain
    return np.asarray(alone & regular & (lengths < settings.block_prefix_length))


def _expected_proof(frame: pd.DataFrame, legitimate: np.ndarray) -> np.ndarray:
    """How much of the domain's other mail, as far as it is taken for legitimate, proves itself (0 to 1)."""
    messages = frame["messages"].where(legitimate, 0)
    authenticated = frame["authenticated"].where(legitimate, 0)
    others = messages.groupby(frame["domain"]).transform("sum") - messages
    others_authenticated = authenticated.groupby(frame["domain"]).transform("sum") - authenticated
    return np.asarray(others_authenticated / (others + 2.0))


def _with_context(pairs: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """Add to every pair what is known of its domain and of the company that it keeps on its network."""
    known = networks.set_index("network")
    at = pairs["network"].map(known["forwarder"]).astype(bool)
    off_relay = pairs.assign(
        messages=pairs["messages"].where(~at, 0), authenticated=pairs["authenticated"].where(~at, 0)
    )
    domain_messages = off_relay.groupby("domain")["messages"].transform("sum")
    domain_authenticated = off_relay.groupby("domain")["authenticated"].transform("sum")
    others = pairs["network"].map(known["messages"]) - pairs["messages"]
    others_authenticated = pairs["network"].map(known["authenticated"]) - pairs["authenticated"]
    return pairs.assign(
        forwarder=at,
        family=pairs.groupby(["organisation_id", "network"])["domain"].transform("size"),
        authenticated_share=pairs["authenticated"] / pairs["messages"],
        # One message is no habit: the first does not count.
        domain_share=(pairs["messages"] - 1).clip(lower=0.2) / np.maximum(domain_messages, pairs["messages"]),
        domain_proves=domain_authenticated / domain_messages.clip(lower=1),
        company_proves=others_authenticated / others.clip(lower=1),
    )


def _behaviour(frame: pd.DataFrame) -> np.ndarray:
    """Features that do not use authentication, with small counts drawn towards what is usual."""
    return np.column_stack(
        [
            np.log(frame["domain_share"].clip(0.001, 0.05)),
            np.log((frame["unknown_recipients"] + 0.1) / (frame["messages"] + 3.0)),
            (frame["links_elsewhere"] + 0.6) / (frame["with_links"] + 2.0),
        ]
    )


def _behaviour_log_odds(frame: pd.DataFrame, proven: np.ndarray, relayed: np.ndarray) -> np.ndarray:
    """Learn from proven mail, against mail without proof where the domain and its neighbours have proof."""
    unproven = (
        (frame["authenticated"] == 0)
        & (frame["domain_proves"] >= _PROVES_ITSELF)
        & (frame["company_proves"] == 0)
    )
    suspect = ~relayed & unproven.to_numpy()
    if min(int(proven.sum()), int(suspect.sum())) < _FEWEST_EXAMPLES:
        return np.where(frame["domain_share"] >= _HOME_SHARE, 1.0, -1.0)
    chosen = proven | suspect
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced"))
    weights = np.sqrt(frame.loc[chosen, "messages"].to_numpy(dtype=float))
    model.fit(_behaviour(frame[chosen]), proven[chosen], logisticregression__sample_weight=weights)
    return np.asarray(model.decision_function(_behaviour(frame)))
