"""Build sender models and domain reputation from one load of a day's messages.

Output, as Parquet below --output: sender_models (a row per domain and network of an organisation),
forwarders, and domain_reputation; with sd/metrics.json.
"""

import pandas as pd
from email_models import evidence
from email_models.arguments import Arguments, parse_arguments
from email_models.database import Directory, read_directory
from email_models.reputation import score_domains
from email_models.senders import judge_networks, judge_senders
from email_models.session import (
    Stopwatch,
    as_spark,
    read_messages,
    require_rows,
    run_job,
    start_session,
    write_metrics,
    write_models,
)
from email_models.settings import Settings
from pyspark.sql import SparkSession


def load_evidence(
    spark: SparkSession, arguments: Arguments, directory: Directory, settings: Settings
) -> tuple[pd.DataFrame, pd.Series]:
    """Read the messages once; return the evidence per (domain, network), and shared messages by domain."""
    facts = evidence.facts(read_messages(spark, arguments, evidence.COLUMNS)).cache()
    by_address = evidence.by_domain_and_address(facts)
    pairs = evidence.to_driver(
        evidence.by_domain_and_network(spark, by_address, directory.registrations, settings.senders)
    )
    require_rows(len(pairs), arguments)
    shared = evidence.to_driver(evidence.shared_messages(facts)).set_index("domain")["shared_messages"]
    facts.unpersist()
    return pairs, shared


def build(
    pairs: pd.DataFrame, shared: pd.Series, directory: Directory, settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return sender models, forwarders and domain reputation."""
    networks = judge_networks(pairs, settings.senders)
    owned = pairs[pairs["domain"].isin(directory.organisation_of)]
    owned = owned.assign(organisation_id=owned["domain"].map(directory.organisation_of))
    senders = judge_senders(owned, networks, settings.senders)
    judged = pairs.merge(senders[["domain", "network", "verdict"]], on=["domain", "network"], how="left")
    reputation = score_domains(judged, networks, shared, set(directory.organisation_of), settings.reputation)
    forwarders = networks[networks["forwarder"]].drop(columns=["forwarder", "domain_messages"])
    return senders, forwarders, reputation


def main() -> None:
    """Run the job."""
    arguments = parse_arguments(__doc__ or "")
    settings = Settings.load(arguments.settings_file)
    watch = Stopwatch()
    with watch.phase("read organisations"):
        directory = read_directory(arguments)
    with watch.phase("start Spark"):
        spark = start_session("sender models and domain reputation")
    with watch.phase("load messages"):
        pairs, shared = load_evidence(spark, arguments, directory, settings)
    with watch.phase("build models"):
        senders, forwarders, reputation = build(pairs, shared, directory, settings)
    outputs = {"sender_models": senders, "forwarders": forwarders, "domain_reputation": reputation}
    with watch.phase("write models"):
        for name, frame in outputs.items():
            write_models(as_spark(spark, frame), arguments, name)
    messages = int(pairs["messages"].sum())
    rows = {name: len(frame) for name, frame in outputs.items()}
    write_metrics(
        spark,
        arguments,
        "sd",
        {
            "date": arguments.day.isoformat(),
            "messages": messages,
            "domain_network_pairs": len(pairs),
            "organisations": len(directory.organisations),
            "rows": rows,
            "verdicts": senders["verdict"].value_counts().to_dict(),
            "disreputable_domains": int(reputation["disreputable"].sum()),
            "seconds": watch.seconds,
            "settings": settings.as_dict(),
        },
    )
    print(f"{messages} messages -> {rows}", flush=True)  # a job's log
    spark.stop()


if __name__ == "__main__":
    run_job(main, "sd")
