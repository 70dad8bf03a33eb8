from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from email_models.grouping import components, masks
from email_models.reputation import edits_between, is_lookalike, plain_name, score_domains
from email_models.senders import judge_networks, judge_senders
from email_models.settings import Settings

SETTINGS = Settings.load()
EMPTY = {
    "spf_aligned": 0,
    "dkim_aligned": 0,
    "authenticated": 0,
    "spf_refused": 0,
    "unknown_recipients": 0,
    "with_links": 0,
    "links_elsewhere": 0,
    "addresses": 1,
    "hours": 1,
    "recipients": 1,
}


def pair(domain: str, network: str, messages: int, **counts: int) -> dict[str, Any]:
    return EMPTY | {"domain": domain, "network": network, "messages": messages} | counts


def a_day() -> pd.DataFrame:
    """Twelve organisations with proof, a forwarder, a spoofer, and an honest one without proof."""
    rows = []
    for n in range(12):
        domain = f"org{n}.example"
        rows.append(
            pair(
                domain,
                f"10.1.{n}.0/24",
                100,
                spf_aligned=97,
                dkim_aligned=96,
                authenticated=99,
                with_links=70,
                links_elsewhere=5,
            )
        )
        rows.append(
            pair(domain, "10.9.0.0/26", 2, dkim_aligned=2, authenticated=2, spf_refused=2, with_links=1)
        )
        rows.append(
            pair(
                domain,
                f"10.8.{n}.16/28",
                1,
                spf_refused=1,
                unknown_recipients=1,
                with_links=1,
                links_elsewhere=1,
            )
        )
    rows.append(
        pair(
            "org0.example",
            "10.7.0.16/28",
            40,
            spf_refused=40,
            unknown_recipients=12,
            with_links=30,
            links_elsewhere=28,
        )
    )
    rows.append(
        pair("plain.example", "10.6.0.0/24", 80, unknown_recipients=1, with_links=50, links_elsewhere=4)
    )
    return pd.DataFrame(rows)


def verdicts(day: pd.DataFrame) -> dict[tuple[str, str], str]:
    names = sorted(day["domain"].unique())
    owned = day.assign(organisation_id=day["domain"].map(names.index))
    judged = judge_senders(owned, judge_networks(day, SETTINGS.senders), SETTINGS.senders)
    return dict(zip(zip(judged["domain"], judged["network"], strict=True), judged["verdict"], strict=True))


def test_a_network_of_guests_whose_signatures_survive_is_a_forwarder() -> None:
    networks = judge_networks(a_day(), SETTINGS.senders)
    assert networks.loc[networks["forwarder"], "network"].tolist() == ["10.9.0.0/26"]


def test_home_is_legitimate_forwarders_are_told_apart_and_strangers_are_forged() -> None:
    found = verdicts(a_day())
    assert {found[f"org{n}.example", f"10.1.{n}.0/24"] for n in range(12)} == {"legitimate"}
    assert {found[f"org{n}.example", "10.9.0.0/26"] for n in range(12)} == {"forwarder"}
    assert {found[f"org{n}.example", f"10.8.{n}.16/28"] for n in range(12)} == {"forged"}


def test_volume_does_not_make_a_spoofer_legitimate_nor_lack_of_proof_an_honest_one_forged() -> None:
    found = verdicts(a_day())
    assert found["org0.example", "10.7.0.16/28"] == "forged"
    assert found["plain.example", "10.6.0.0/24"] == "legitimate"


def test_too_little_to_learn_from_is_no_error() -> None:
    assert set(verdicts(a_day().head(3)).values()) <= {"legitimate", "forwarder", "forged"}


@pytest.mark.parametrize(
    "domain",
    ["n0rthbank.example", "northbannk.example", "nortbhank.example", "northbank-login.example"],
)
def test_imitations_of_a_name_are_seen(domain: str) -> None:
    assert is_lookalike(domain, {"northbank.example": plain_name("northbank.example")}, max_edits=2)


@pytest.mark.parametrize("domain", ["northbank.example", "southshop.example", "bank.example"])
def test_the_name_itself_and_other_names_are_no_imitations(domain: str) -> None:
    assert not is_lookalike(domain, {"northbank.example": plain_name("northbank.example")}, max_edits=2)


def test_edits_are_counted_up_to_the_limit() -> None:
    assert edits_between("kitten", "sitting", at_most=5) == 3
    assert edits_between("abc", "abc", at_most=2) == 0
    assert edits_between("aaaaaa", "bbbbbb", at_most=2) == 3


def a_day_of_domains() -> tuple[pd.DataFrame, pd.Series]:
    rows = [
        pair(
            f"org{n}.example",
            f"10.1.{n}.0/24",
            100,
            authenticated=99,
            unknown_recipients=1,
            with_links=70,
            links_elsewhere=7,
        )
        for n in range(8)
    ]
    rows += [
        pair(
            f"small{n}.example",
            f"10.2.{n}.0/28",
            30,
            unknown_recipients=n % 2,
            with_links=20,
            links_elsewhere=3,
        )
        for n in range(8)
    ]
    rows += [
        pair(f"trash{n}.example", "10.3.0.0/28", 40, unknown_recipients=9, with_links=30, links_elsewhere=27)
        for n in range(8)
    ]
    rows.append(
        pair("org0.example", "10.4.0.0/28", 500, unknown_recipients=200, with_links=400, links_elsewhere=390)
    )
    return pd.DataFrame(rows), pd.Series({f"trash{n}.example": 25 for n in range(8)})


def test_throwaways_are_disreputable_and_the_imitated_bank_is_not() -> None:
    day, shared = a_day_of_domains()
    organisations = {f"org{n}.example" for n in range(8)}
    networks = judge_networks(day, SETTINGS.senders)
    judged = day.assign(verdict=day["network"].map({"10.4.0.0/28": "forged"}.get))
    scored = score_domains(judged, networks, shared, organisations, SETTINGS.reputation).set_index("domain")
    assert scored.index[scored["disreputable"]].tolist() == [f"trash{n}.example" for n in range(8)]
    assert scored.loc["org0.example", "messages"] == 100  # what was forged is not the bank's


def test_components_are_named_by_their_smallest_message_and_small_ones_left_out() -> None:
    pairs = pd.DataFrame({"first": [1, 2, -7, 10], "second": [2, 3, 1, 11]})
    found = components(pairs, min_messages=3)
    assert set(found["message"]) == {-7, 1, 2, 3}
    assert set(found["campaign"]) == {"fffffffffffffff9"}


def test_no_similar_pairs_give_no_campaigns() -> None:
    found = components(pd.DataFrame({"first": [], "second": []}, dtype="int64"), min_messages=3)
    assert found.empty
    assert list(found.columns) == ["message", "campaign"]


def test_masks_estimate_the_jaccard_similarity() -> None:
    random = np.random.default_rng(5)
    values = random.integers(-(1 << 63), (1 << 63) - 1, 60)
    first, second = values[:40], values[20:]  # 20 in common of 60
    agree = [np.bitwise_xor(first, mask).min() == np.bitwise_xor(second, mask).min() for mask in masks(600)]
    assert np.mean(agree) == pytest.approx(1 / 3, abs=0.08)
    assert masks(3) == masks(3)


def test_jobs_import_the_package_only_by_name() -> None:
    """The step puts the repo's root on PYTHONPATH; nothing may depend on where the job's file lies."""
    for job in (Path(__file__).parents[3] / "examples" / "model_repo" / "jobs").glob("*.py"):
        assert "sys.path" not in job.read_text()
