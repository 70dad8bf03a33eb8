"""Build campaign models from a day's messages: near-duplicates, grouped, with figures about each group.

Output, as Parquet below --output: campaigns (a row per campaign) and campaign_messages (which message
belongs to which); with cdd/metrics.json.
"""

import pandas as pd
from email_models import campaigns
from email_models.grouping import components
from email_models.job import Job, run_job
from email_models.session import as_spark, read_messages, require_rows, write_models
from email_models.settings import CampaignSettings
from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def find_campaigns(features: DataFrame, settings: CampaignSettings) -> tuple[pd.DataFrame, int]:
    """Return which message belongs to which campaign, and how many similar pairs that rests on."""
    pairs = campaigns.similar(campaigns.candidates(features, settings), features, settings.similarity)
    edges = pd.DataFrame.from_records(pairs.collect(), columns=["first", "second"])
    return components(edges, settings.min_messages), len(edges)


def write_campaigns(job: Job, messages: DataFrame, found: pd.DataFrame) -> None:
    """Write both tables."""
    named = messages.withColumn("message", f.xxhash64("message_id"))
    members = named.join(f.broadcast(as_spark(job.spark, found)), "message").cache()
    domains = sorted(job.directory.organisation_of)
    write_models(campaigns.figures(members, domains), job.arguments, "campaigns")
    write_models(members.select("message_id", "campaign"), job.arguments, "campaign_messages")


def campaign_models(job: Job) -> None:
    """Load, group, write."""
    with job.watch.phase("load messages"):
        messages = read_messages(job.spark, job.arguments, campaigns.COLUMNS)
        features = campaigns.with_features(messages).cache()
        count = require_rows(features.count(), job.arguments)
    with job.watch.phase("find campaigns"):
        found, pairs = find_campaigns(features, job.settings.campaigns)
        features.unpersist()
    with job.watch.phase("write models"):
        write_campaigns(job, messages, found)
    job.finish(
        count,
        {"campaigns": int(found["campaign"].nunique()), "campaign_messages": len(found)},
        similar_pairs=pairs,
        largest_campaign=int(found["campaign"].value_counts().max()) if len(found) else 0,
    )


if __name__ == "__main__":
    run_job("cdd", __doc__, campaign_models)
