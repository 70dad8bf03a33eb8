"""Build campaign models from a day's messages: near-duplicates, grouped, with figures about each group.

Output, as Parquet below --output: campaigns (a row per campaign) and campaign_messages (which message
belongs to which); with cdd/metrics.json.
"""

import pandas as pd
from email_models import campaigns
from email_models.arguments import Arguments, parse_arguments
from email_models.database import read_directory
from email_models.grouping import components
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
from email_models.settings import CampaignSettings, Settings
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f


def find_campaigns(features: DataFrame, settings: CampaignSettings) -> tuple[pd.DataFrame, int]:
    """Return which message belongs to which campaign, and how many similar pairs that rests on."""
    pairs = campaigns.similar(campaigns.candidates(features, settings), features, settings.similarity)
    edges = pd.DataFrame.from_records(pairs.collect(), columns=["first", "second"])
    return components(edges, settings.min_messages), len(edges)


def write_campaigns(
    spark: SparkSession, messages: DataFrame, found: pd.DataFrame, arguments: Arguments, domains: list[str]
) -> None:
    """Write both tables."""
    named = messages.withColumn("message", f.xxhash64("message_id"))
    members = named.join(f.broadcast(as_spark(spark, found)), "message").cache()
    write_models(campaigns.figures(members, domains), arguments, "campaigns")
    write_models(members.select("message_id", "campaign"), arguments, "campaign_messages")


def main() -> None:
    """Run the job."""
    arguments = parse_arguments(__doc__ or "")
    settings = Settings.load(arguments.settings_file)
    watch = Stopwatch()
    with watch.phase("read organisations"):
        directory = read_directory(arguments)
    with watch.phase("start Spark"):
        spark = start_session("campaign models")
    with watch.phase("load messages"):
        messages = read_messages(spark, arguments, campaigns.COLUMNS)
        features = campaigns.with_features(messages).cache()
        count = require_rows(features.count(), arguments)
    with watch.phase("find campaigns"):
        found, pairs = find_campaigns(features, settings.campaigns)
        features.unpersist()
    with watch.phase("write models"):
        write_campaigns(spark, messages, found, arguments, sorted(directory.organisation_of))
    rows = {"campaigns": int(found["campaign"].nunique()), "campaign_messages": len(found)}
    write_metrics(
        spark,
        arguments,
        "cdd",
        {
            "date": arguments.day.isoformat(),
            "messages": count,
            "similar_pairs": pairs,
            "organisations": len(directory.organisations),
            "rows": rows,
            "largest_campaign": int(found["campaign"].value_counts().max()) if len(found) else 0,
            "seconds": watch.seconds,
            "settings": settings.as_dict(),
        },
    )
    print(f"{count} messages -> {rows}", flush=True)  # a job's log
    spark.stop()


if __name__ == "__main__":
    run_job(main, "cdd")
