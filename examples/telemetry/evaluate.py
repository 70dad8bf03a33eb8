"""Measure what the jobs found against what was planted.

    python examples/telemetry/evaluate.py --truth DIR/truth --outputs OUT [-o json]

OUT holds what the jobs wrote (a copy of their --output): sender_models, forwarders, domain_reputation,
campaign_messages.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from planted import measures
from planted.measures import Score

_FEWEST_FORWARDED = 5
_FEWEST_FROM_DOMAIN = 5
_SMALLEST_CAMPAIGN = 3


def evaluate(truth: Path, outputs: Path) -> dict[str, Score]:
    """Return a score per kind of thing to be found. Raises FileNotFoundError for a missing table."""
    messages = pd.read_parquet(truth / "messages.parquet")
    senders = _output(outputs, "sender_models")
    reputation = _output(outputs, "domain_reputation")
    grouped = messages["message_id"].map(
        _output(outputs, "campaign_messages").set_index("message_id")["campaign"]
    )
    sizes = messages["campaign"].map(messages["campaign"].value_counts())
    planted = messages["campaign"].where((messages["campaign"] >= 0) & (sizes >= _SMALLEST_CAMPAIGN))
    return {
        "sender networks": measures.sender_networks(
            senders, pd.read_parquet(truth / "sender_networks.parquet")
        ),
        "forwarders": measures.networks(
            _output(outputs, "forwarders")["network"],
            pd.read_parquet(truth / "forwarders.parquet"),
            _FEWEST_FORWARDED,
        ),
        "forged messages": measures.forged_messages(senders, messages),
        "disreputable domains": measures.domains(
            reputation.loc[reputation["disreputable"], "domain"],
            pd.read_parquet(truth / "domains.parquet"),
            _FEWEST_FROM_DOMAIN,
        ),
        "campaigns, by message": measures.campaign_messages(grouped, planted),
        "campaigns, by pair": measures.campaign_pairs(grouped, planted),
    }


def _output(outputs: Path, name: str) -> pd.DataFrame:
    parts = sorted((outputs / name).glob("*.parquet"))
    if not parts:
        raise FileNotFoundError(f"no Parquet files in {outputs / name}")
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)


def main() -> None:
    """Print the scores as a table or as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--truth", type=Path, required=True, help="the folder truth/ that generate.py wrote")
    parser.add_argument("--outputs", type=Path, required=True, help="a local copy of the jobs' --output")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    try:
        scores = evaluate(arguments.truth, arguments.outputs)
    except FileNotFoundError as error:
        sys.exit(f"evaluate: {error}")
    if arguments.output == "json":
        print(json.dumps({name: asdict(score) for name, score in scores.items()}, indent=2))  # CLI
        return
    print(f"{'':24}{'precision':>10}{'recall':>10}{'found':>12}{'planted':>12}")  # CLI
    for name, score in scores.items():
        print(
            f"{name:24}{score.precision:>10.3f}{score.recall:>10.3f}{score.found:>12}{score.planted:>12}"
        )  # CLI


if __name__ == "__main__":
    main()
