"""What the messages of a day say about senders, summed so that both models can be built from one load.

The messages are read once and reduced to facts, which are cached; sender models and domain reputation are
both built from sums over these: one row per (domain, network), a tenth of the data or less.
"""

import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from email_models.networks import known_network, registry_tree
from email_models.settings import SenderSettings

COLUMNS = (
    "header_from_domain",
    "envelope_from_domain",
    "sending_ip",
    "received_at",
    "recipient_organisation_id",
    "recipient_known",
    "spf",
    "dkim",
    "dkim_domain",
    "url_domains",
    "subject_tokens",
    "body_tokens",
)
# Messages that agree in their first words by alphabet, this many, are taken for copies of one text.
_SKETCH = 4
_SUMS = (
    "messages",
    "spf_aligned",
    "dkim_aligned",
    "authenticated",
    "spf_refused",
    "unknown_recipients",
    "with_links",
    "links_elsewhere",
)


def _registrable(domain: Column) -> Column:
    """Return the part of a domain that somebody registered: in this data always the last two labels."""
    return f.substring_index(domain, ".", -2)


def _count(condition: Column) -> Column:
    return f.coalesce(f.sum(condition.cast("int")), f.lit(0))


def facts(messages: DataFrame) -> DataFrame:
    """Reduce every message to what both models need of it: a few flags and numbers instead of its texts."""
    owner = _registrable(f.col("header_from_domain"))
    own_envelope = _registrable(f.col("envelope_from_domain")) == owner
    with_links = f.size("url_domains") > 0
    words = f.sort_array(f.concat("subject_tokens", "body_tokens"))
    return messages.select(
        f.col("header_from_domain").alias("domain"),
        "sending_ip",
        ((f.col("spf") == "pass") & own_envelope).alias("spf_aligned"),
        ((f.col("dkim") == "pass") & (_registrable(f.col("dkim_domain")) == owner)).alias("dkim_aligned"),
        (own_envelope & f.col("spf").isin("fail", "softfail", "neutral")).alias("spf_refused"),
        (~f.col("recipient_known")).alias("unknown_recipient"),
        with_links.alias("with_links"),
        (with_links & ~f.array_contains("url_domains", f.col("header_from_domain"))).alias("links_elsewhere"),
        f.expr("shiftleft(1, hour(received_at))").alias("hour"),
        f.expr("shiftleft(1L, recipient_organisation_id % 63)").alias("recipient"),
        f.hash(f.slice(words, 1, _SKETCH)).alias("text"),
    )


def by_domain_and_address(messages: DataFrame) -> DataFrame:
    """Sum the facts by header-from domain and sending address; hours and recipients become bits.

    `hours` has a bit per hour of the day; `recipients` one per recipient organisation, modulo 63: enough to
    tell few from many, and sets of bits can be joined again.
    """
    return messages.groupBy("domain", "sending_ip").agg(
        f.count("*").alias("messages"),
        _count(f.col("spf_aligned")).alias("spf_aligned"),
        _count(f.col("dkim_aligned")).alias("dkim_aligned"),
        _count(f.col("spf_aligned") | f.col("dkim_aligned")).alias("authenticated"),
        _count(f.col("spf_refused")).alias("spf_refused"),
        _count(f.col("unknown_recipient")).alias("unknown_recipients"),
        _count(f.col("with_links")).alias("with_links"),
        _count(f.col("links_elsewhere")).alias("links_elsewhere"),
        f.bit_or("hour").alias("hours"),
        f.bit_or("recipient").alias("recipients"),
    )


def shared_messages(messages: DataFrame) -> DataFrame:
    """Count by domain the messages whose text other domains sent too."""
    texts = messages.groupBy("text", "domain").agg(f.count("*").alias("messages"))
    senders = texts.groupBy("text").agg(f.count("*").alias("senders")).where("senders > 1")
    return texts.join(senders, "text").groupBy("domain").agg(f.sum("messages").alias("shared_messages"))


def by_domain_and_network(
    spark: SparkSession, by_address: DataFrame, registrations: list[str], settings: SenderSettings
) -> DataFrame:
    """Sum the evidence by domain and network; executors look addresses up in a radix tree."""
    tree = spark.sparkContext.broadcast(registry_tree(registrations))
    shared, block = settings.shared_registration_prefix_length, settings.block_prefix_length

    def look_up(address: str) -> str:
        return known_network(tree.value, address, shared_prefix_length=shared, block_prefix_length=block)

    network_of = f.udf(look_up, "string")
    return (
        by_address.withColumn("network", network_of("sending_ip"))
        .groupBy("domain", "network")
        .agg(
            *(f.sum(name).alias(name) for name in _SUMS),
            f.count("*").alias("addresses"),
            f.bit_or("hours").alias("hours"),
            f.bit_or("recipients").alias("recipients"),
        )
    )


def to_driver(frame: DataFrame) -> pd.DataFrame:
    """Bring evidence to the driver. It is small by then: one row per (domain, network)."""
    return pd.DataFrame.from_records(frame.collect(), columns=frame.columns)
