"""Build sender models and domain reputation from one load of a day's messages.

Output, as Parquet below --output: sender_models (a row per domain and network of an organisation),
forwarders, and domain_reputation; with sd/metrics.json.
"""

import pandas as pd
from email_models import evidence
from email_models.database import Directory
from email_models.job import Job, run_job
from email_models.reputation import score_domains
from email_models.senders import judge_networks, judge_senders
from email_models.session import as_spark, read_messages, require_rows, write_models
from email_models.settings import Settings


def load_evidence(job: Job) -> tuple[pd.DataFrame, pd.Series]:
    """Read the messages once; return the evidence per (domain, network), and shared messages by domain."""
    facts = evidence.facts(read_messages(job.spark, job.arguments, evidence.COLUMNS)).cache()
    by_address = evidence.by_domain_and_address(facts)
    by_network = evidence.by_domain_and_network(
        job.spark, by_address, job.directory.registrations, job.settings.senders
    )
    pairs = evidence.to_driver(by_network)
    require_rows(len(pairs), job.arguments)
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


def sender_models(job: Job) -> None:
    """Load, build, write."""
    with job.watch.phase("load messages"):
        pairs, shared = load_evidence(job)
    with job.watch.phase("build models"):
        senders, forwarders, reputation = build(pairs, shared, job.directory, job.settings)
    outputs = {"sender_models": senders, "forwarders": forwarders, "domain_reputation": reputation}
    with job.watch.phase("write models"):
        for name, frame in outputs.items():
            write_models(as_spark(job.spark, frame), job.arguments, name)
    job.finish(
        int(pairs["messages"].sum()),
        {name: len(frame) for name, frame in outputs.items()},
        domain_network_pairs=len(pairs),
        verdicts=senders["verdict"].value_counts().to_dict(),
        disreputable_domains=int(reputation["disreputable"].sum()),
    )


if __name__ == "__main__":
    run_job("sd", __doc__, sender_models)
