"""What the messages of a day say about senders, summed so that both models can be built from one load.

The messages are read once, in one pass. What is kept of them is one row per (domain, network), a tenth of the data or
less; sender models and domain reputation are both built from it.
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
    "recipient_known",
    "spf",
    "dkim",
    "dkim_domain",
    "url_domains",
)
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
    """The part of a domain that somebody registered; in this data it is always the last two labels."""
    return f.substring_index(domain, ".", -2)


def _count(condition: Column) -> Column:
    return f.sum(f.coalesce(condition, f.lit(False)).cast("int"))


def by_domain_and_address(messages: DataFrame) -> DataFrame:
    """Sum the messages by header-from domain and sending address; hours become the bits of a number."""
    owner = _registrable(f.col("header_from_domain"))
    own_envelope = _registrable(f.col("envelope_from_domain")) == owner
    spf_aligned = (f.col("spf") == "pass") & own_envelope
    dkim_aligned = (f.col("dkim") == "pass") & (_registrable(f.col("dkim_domain")) == owner)
    with_links = f.size("url_domains") > 0
    elsewhere = with_links & ~f.array_contains("url_domains", f.col("header_from_domain"))
    return messages.groupBy(f.col("header_from_domain").alias("domain"), "sending_ip").agg(
        f.count("*").alias("messages"),
        _count(spf_aligned).alias("spf_aligned"),
        _count(dkim_aligned).alias("dkim_aligned"),
        _count(f.coalesce(spf_aligned, f.lit(False)) | f.coalesce(dkim_aligned, f.lit(False))).alias(
            "authenticated"
        ),
        _count(own_envelope & f.col("spf").isin("fail", "softfail", "neutral")).alias("spf_refused"),
        _count(~f.col("recipient_known")).alias("unknown_recipients"),
        _count(with_links).alias("with_links"),
        _count(elsewhere).alias("links_elsewhere"),
        f.bit_or(f.expr("shiftleft(1, hour(received_at))")).alias("hours"),
    )


def by_domain_and_network(
    spark: SparkSession, by_address: DataFrame, registrations: list[str], settings: SenderSettings
) -> DataFrame:
    """Sum the evidence by domain and network; the executors look addresses up in a radix tree that they all get."""
    tree = spark.sparkContext.broadcast(registry_tree(registrations))
    shared, block = settings.shared_registration_prefix_length, settings.block_prefix_length

    @f.udf("string")
    def network_of(address: str) -> str:
        return known_network(tree.value, address, shared_prefix_length=shared, block_prefix_length=block)

    return (
        by_address.withColumn("network", network_of("sending_ip"))
        .groupBy("domain", "network")
        .agg(
            *(f.sum(name).alias(name) for name in _SUMS),
            f.count("*").alias("addresses"),
            f.bit_count(f.bit_or("hours")).alias("hours"),
        )
    )


def to_driver(frame: DataFrame) -> pd.DataFrame:
    """Bring evidence to the driver. It is small by then: one row per (domain, network)."""
    return pd.DataFrame.from_records(frame.collect(), columns=frame.columns)
