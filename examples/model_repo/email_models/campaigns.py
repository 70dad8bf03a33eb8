"""Campaign models: messages that are near-duplicates of each other, however they were shuffled and mutated.

A message is the set of its words, link domains and attachment digests. MinHash gives every message `bands *
rows` numbers of which two messages share any one with a probability equal to the Jaccard similarity of
their sets; messages that agree in all rows of a band are candidates. Candidates are compared exactly, and
the pairs that are similar enough make a graph whose connected components are the campaigns.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from email_models.grouping import masks
from email_models.settings import CampaignSettings

COLUMNS = (
    "message_id",
    "received_at",
    "sending_ip",
    "header_from_domain",
    "recipient_organisation_id",
    "recipient_known",
    "dmarc",
    "spf",
    "dkim",
    "subject_tokens",
    "body_tokens",
    "url_domains",
    "attachment_digests",
)


def with_features(messages: DataFrame) -> DataFrame:
    """Return `message` (a 64-bit name) and `features` (the set of what it contains, as 32-bit hashes)."""
    contents = f.concat(
        f.col("subject_tokens"),
        f.col("body_tokens"),
        f.transform("url_domains", lambda domain: f.concat(f.lit("link:"), domain)),
        f.transform("attachment_digests", lambda digest: f.concat(f.lit("file:"), digest)),
    )
    hashed = f.array_distinct(f.transform(contents, lambda text: f.hash(text)))  # noqa: PLW0108  # Spark counts its parameters
    return messages.select(f.xxhash64("message_id").alias("message"), hashed.alias("features"))


def candidates(features: DataFrame, settings: CampaignSettings) -> DataFrame:
    """Return pairs (`first`, `second`) of messages that agree in at least one band.

    In every bucket each message is paired with one only, the smallest: that is enough to connect a campaign
    and keeps the number of pairs linear. A bucket larger than `max_bucket` is boilerplate and says nothing.
    """
    order = masks(settings.bands * settings.rows)
    signatures = (
        features.select("message", f.explode("features").alias("feature"))
        .select("message", f.xxhash64("feature").alias("value"))
        .groupBy("message")
        .agg(*(f.min(f.col("value").bitwiseXOR(f.lit(mask))).alias(f"m{i}") for i, mask in enumerate(order)))
    )
    buckets = f.array(*(_bucket(band, settings.rows) for band in range(settings.bands)))
    same_bucket = Window.partitionBy("bucket")
    return (
        signatures.select(f.col("message").alias("second"), f.explode(buckets).alias("bucket"))
        .withColumn("first", f.min("second").over(same_bucket))
        .withColumn("size", f.count("*").over(same_bucket))
        .where((f.col("first") != f.col("second")) & (f.col("size") <= settings.max_bucket))
        .select("first", "second")
        .distinct()
    )


def _bucket(band: int, rows: int) -> Column:
    return f.xxhash64(f.lit(band), *(f.col(f"m{row}") for row in range(band * rows, (band + 1) * rows)))


def similar(pairs: DataFrame, features: DataFrame, threshold: float) -> DataFrame:
    """Keep the pairs whose sets have at least this Jaccard similarity."""
    firsts = features.select(f.col("message").alias("first"), f.col("features").alias("a"))
    seconds = features.select(f.col("message").alias("second"), f.col("features").alias("b"))
    shared = f.size(f.array_intersect("a", "b"))
    return (
        pairs.join(firsts, "first")
        .join(seconds, "second")
        .where(shared >= threshold * (f.size("a") + f.size("b") - shared))
        .select("first", "second")
    )


def figures(members: DataFrame, organisation_domains: list[str]) -> DataFrame:
    """Return a row per campaign: its size, spread and behaviour. `members` are messages with `campaign`."""
    unproven = (f.col("spf") != "pass") & (f.col("dkim") != "pass")
    claims = f.col("header_from_domain").isin(organisation_domains)
    return members.groupBy("campaign").agg(
        f.count("*").alias("messages"),
        f.min("received_at").alias("first_seen"),
        f.max("received_at").alias("last_seen"),
        f.approx_count_distinct("header_from_domain").alias("sender_domains"),
        f.approx_count_distinct("sending_ip").alias("addresses"),
        f.approx_count_distinct("recipient_organisation_id").alias("recipient_organisations"),
        f.avg((~f.col("recipient_known")).cast("double")).alias("unknown_recipient_share"),
        f.avg((f.col("dmarc") == "fail").cast("double")).alias("dmarc_fail_share"),
        f.avg((unproven & claims).cast("double")).alias("unproven_organisation_share"),
        f.avg((f.size("attachment_digests") > 0).cast("double")).alias("attachment_share"),
        f.concat_ws(" ", f.min("subject_tokens")).alias("example_subject"),
    )
