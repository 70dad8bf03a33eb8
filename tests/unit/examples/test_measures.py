import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted import measures

EVALUATE = Path(__file__).parents[3] / "examples" / "telemetry" / "evaluate.py"


def models(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["domain", "network", "verdict"])


def test_a_found_network_inside_a_planted_one_is_right() -> None:
    planted = pd.DataFrame(
        {
            "domain": ["a", "a", "b"],
            "network": ["10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/24"],
            "messages": [5, 5, 0],
        }
    )
    found = models(
        ("a", "10.1.0.16/28", "legitimate"),
        ("a", "10.1.0.32/28", "legitimate"),
        ("a", "10.3.0.0/28", "legitimate"),
        ("c", "10.1.0.0/28", "legitimate"),
        ("a", "10.2.0.0/28", "forged"),
    )
    score = measures.sender_networks(found, planted)
    assert (score.precision, score.recall, score.found, score.planted) == (0.5, 0.5, 4, 2)


def test_small_forwarders_need_not_be_found_but_are_no_mistakes() -> None:
    planted = pd.DataFrame({"network": ["10.1.0.0/26", "10.2.0.0/26"], "messages": [50, 1]})
    both = measures.networks(["10.1.0.0/26", "10.2.0.0/26"], planted, min_messages=5)
    assert (both.precision, both.recall) == (1.0, 1.0)
    only_wrong = measures.networks(["10.9.0.0/26"], planted, min_messages=5)
    assert (only_wrong.precision, only_wrong.recall) == (0.0, 0.0)


def test_forged_messages_are_judged_by_the_longest_network_of_their_domain() -> None:
    found = models(
        ("a", "10.1.0.0/24", "forged"),
        ("a", "10.1.0.16/28", "legitimate"),
        ("b", "10.1.0.0/24", "legitimate"),
    )
    messages = pd.DataFrame(
        {
            "header_from_domain": ["a", "a", "b", "a", "other"],
            "sending_ip": ["10.1.0.1", "10.1.0.17", "10.1.0.1", "10.1.0.1", "10.1.0.1"],
            "forged": [True, True, True, True, True],
            "forwarded": [False, False, False, True, False],
        }
    )
    score = measures.forged_messages(found, messages)
    assert (score.precision, score.found, score.planted) == (1.0, 1, 3)
    assert score.recall == pytest.approx(1 / 3, abs=1e-4)


def test_bad_domains_with_few_messages_do_not_count_against_recall() -> None:
    planted = pd.DataFrame(
        {"domain": ["x", "y", "z"], "disreputable": [True, True, False], "messages": [9, 1, 9]}
    )
    score = measures.domains(["x", "z"], planted, min_messages=5)
    assert (score.precision, score.recall, score.planted) == (0.5, 1.0, 1)


def test_pairs_count_every_two_messages_of_one_campaign() -> None:
    planted = pd.Series([1, 1, 1, 2, 2, np.nan])
    found = pd.Series(["p", "p", "q", "q", "q", "q"])
    score = measures.campaign_pairs(found, planted)
    assert (score.found, score.planted) == (1 + 6, 3 + 1)
    assert (score.precision, score.recall) == (round(2 / 7, 4), round(2 / 4, 4))


def test_by_message_every_message_weighs_the_same() -> None:
    planted = pd.Series([1, 1, 1, 2])
    found = pd.Series(["p", "p", "q", None])
    score = measures.campaign_messages(found, planted)
    assert score.precision == 1.0
    assert score.recall == round((2 * 2 / 3 + 1 / 3) / 4, 4)


def test_one_group_of_everything_has_full_recall_and_poor_precision() -> None:
    planted = pd.Series([1] * 5 + [2] * 5)
    score = measures.campaign_messages(pd.Series(["p"] * 10), planted)
    assert (score.precision, score.recall) == (0.5, 1.0)


def test_nothing_found_scores_zero() -> None:
    score = measures.Score.of(right=0, found=0, reached=0, planted=3)
    assert (score.precision, score.recall) == (0.0, 0.0)


@pytest.mark.processes
def test_truth_given_back_as_output_scores_one(small_day: Path, tmp_path: Path) -> None:
    truth = small_day / "truth"
    tables = {
        name: pd.read_parquet(truth / f"{name}.parquet")
        for name in ("messages", "sender_networks", "forwarders", "domains")
    }
    senders = tables["sender_networks"].assign(verdict="legitimate")
    forged = tables["messages"].query("forged and not forwarded")
    senders = pd.concat(
        [
            senders,
            pd.DataFrame(
                {
                    "domain": forged["header_from_domain"],
                    "network": forged["sending_ip"] + "/32",
                    "verdict": "forged",
                }
            ),
        ]
    )
    outputs = {
        "sender_models": senders,
        "forwarders": tables["forwarders"],
        "domain_reputation": tables["domains"],
        "campaign_messages": tables["messages"].query("campaign >= 0"),
    }
    for name, frame in outputs.items():
        (tmp_path / name).mkdir()
        frame.to_parquet(tmp_path / name / "part-0.parquet")
    command = [sys.executable, str(EVALUATE), "--truth", str(truth), "--outputs", str(tmp_path), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for name, score in json.loads(done.stdout).items():
        assert score["precision"] >= 0.95, name  # planted groups of two are found, and not due
        assert score["recall"] == 1.0, name


@pytest.mark.processes
def test_a_missing_output_is_one_clear_line(small_day: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(EVALUATE), "--truth", str(small_day / "truth"), "--outputs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"evaluate: no Parquet files in {tmp_path / 'sender_models'}\n"
