# ruff: noqa: PLR0917  # columns that depend on other columns
"""Write the data set: messages for the jobs, truth for the evaluation, organisations for PostgreSQL."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from planted.addresses import address_texts
from planted.arrays import Bools, Ints
from planted.content import SUBJECT_WIDTH, Extras, Texts, Words
from planted.messages import DMARC_RESULTS, Messages
from planted.routes import DKIM_RESULTS, SPF_RESULTS, RouteTable
from planted.world import World

_PARTS = 4


def message_table(
    random: np.random.Generator, world: World, messages: Messages, texts: Texts, extras: Extras, day: date
) -> pa.Table:
    """Return what the receiving side recorded, in order of time. Nothing in it says what is true."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    domains, count = pa.array(world.domains.names), len(messages.route)
    addresses, place = address_texts(messages.address)
    words = pa.array(texts.vocabulary)
    table = pa.table(
        {
            "message_id": pa.array(
                [f"{value:016x}" for value in random.integers(1, 1 << 62, count).tolist()]
            ),
            "received_at": pa.array(
                ((midnight + messages.seconds) * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")
            ),
            "sending_ip": _coded(place, pa.array(addresses)),
            "helo": _helo(world, messages, addresses, place),
            "envelope_from_domain": _coded(messages.envelope_domain, domains),
            "header_from_domain": _coded(messages.from_domain, domains),
            "reply_to_domain": _coded(messages.reply_to_domain, domains),
            "recipient_organisation_id": pa.array(messages.recipient + 1, pa.int32()),
            "recipient_known": pa.array(messages.recipient_known),
            "spf": _coded(messages.spf, pa.array(SPF_RESULTS)),
            "dkim": _coded(messages.dkim, pa.array(DKIM_RESULTS)),
            "dkim_domain": _coded(messages.dkim_domain, domains),
            "dmarc": _coded(messages.dmarc, pa.array(DMARC_RESULTS)),
            "size_bytes": pa.array(extras.size_bytes, pa.int32()),
            "subject_tokens": _lists(texts.words[:, :SUBJECT_WIDTH], texts.used[:, :SUBJECT_WIDTH], words),
            "body_tokens": _lists(texts.words[:, SUBJECT_WIDTH:], texts.used[:, SUBJECT_WIDTH:], words),
            "url_domains": _lists(extras.links, extras.links >= 0, domains),
            "attachment_digests": _digests(extras.digests),
        }
    )
    return table.take(pa.array(np.argsort(messages.seconds, kind="stable")))


def _coded(places: Ints, values: pa.Array) -> pa.Array:
    """Strings by their place; -1 becomes null."""
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32(), mask=places < 0), values).cast(
        pa.string()
    )


def _helo(world: World, messages: Messages, addresses: list[str], place: Ints) -> pa.Array:
    named = [f"mail.{name}" for name in world.domains.names]
    generic = [f"host-{address.replace('.', '-')}.example" for address in addresses]
    places = np.where(messages.helo_domain >= 0, messages.helo_domain, len(named) + place)
    return _coded(places, pa.array(named + generic))


def _lists(values: Ints | Words, used: Bools, names: pa.Array) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), _coded(values[used].astype(np.int64), names)
    )


def _digests(digests: Ints) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(digests != 0)])
    values = pa.array([f"{digest:016x}" for digest in digests[digests != 0].tolist()], pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def write_messages(out: Path, table: pa.Table, day: date) -> int:
    """Write the messages as a handful of Parquet files below `messages/date=…` and return their bytes."""
    folder = out / "messages" / f"date={day.isoformat()}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = -(-table.num_rows // _PARTS)
    total = 0
    for part in range(_PARTS):
        path = folder / f"part-{part:05d}.parquet"
        pq.write_table(table.slice(part * rows, rows), path, compression="zstd")
        total += path.stat().st_size
    return total


def write_truth(out: Path, table: pa.Table, world: World, routes: RouteTable, messages: Messages) -> None:
    """Write what was planted. Only the evaluation reads it."""
    folder = out / "truth"
    folder.mkdir(parents=True, exist_ok=True)
    order = np.argsort(messages.seconds, kind="stable")
    pq.write_table(
        pa.table(
            {
                "message_id": table["message_id"],
                "header_from_domain": table["header_from_domain"],
                "sending_ip": table["sending_ip"],
                "forged": pa.array(routes.forged[messages.route][order]),
                "forwarded": pa.array((messages.forwarder >= 0)[order]),
                "campaign": pa.array(messages.campaign[order]),
            }
        ),
        folder / "messages.parquet",
        compression="zstd",
    )
    pq.write_table(_sender_networks(world, routes, messages), folder / "sender_networks.parquet")
    pq.write_table(_forwarders(world, messages), folder / "forwarders.parquet")
    pq.write_table(_domains(world, routes, messages), folder / "domains.parquet")


def _sender_networks(world: World, routes: RouteTable, messages: Messages) -> pa.Table:
    """List which networks send for which organisation's domain with its consent, and how much they did."""
    direct = np.bincount(messages.route[messages.forwarder < 0], minlength=len(routes.kind))
    rows: dict[tuple[str, str], int] = {}
    prefixes = np.log2(routes.size.clip(1)).astype(np.int64)
    for place, kind in enumerate(routes.kind):
        if kind in {"own", "mail_service"}:
            base = int(routes.base[place])
            address = f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}"
            key = (
                world.domains.names[int(routes.from_domain[place])],
                f"{address}/{32 - int(prefixes[place])}",
            )
            rows[key] = rows.get(key, 0) + int(direct[place])
    return pa.table(
        {
            "domain": [domain for domain, _ in rows],
            "network": [network for _, network in rows],
            "messages": list(rows.values()),
        }
    )


def _forwarders(world: World, messages: Messages) -> pa.Table:
    counts = np.bincount(messages.forwarder[messages.forwarder >= 0], minlength=len(world.forwarders))
    return pa.table(
        {"network": [str(forwarder.network) for forwarder in world.forwarders], "messages": counts}
    )


def _domains(world: World, routes: RouteTable, messages: Messages) -> pa.Table:
    """Every domain that somebody owns and sent in its own name; spoofed mail does not count."""
    honest = ~routes.forged[messages.route]
    counts = np.bincount(messages.from_domain[honest], minlength=len(world.domains.names))
    seen = np.flatnonzero(counts)
    return pa.table(
        {
            "domain": [world.domains.names[place] for place in seen],
            "kind": [world.domains.kinds[place] for place in seen],
            "disreputable": [world.domains.kinds[place] in {"throwaway", "lookalike"} for place in seen],
            "messages": counts[seen],
        }
    )


_SCHEMA = """\
DROP TABLE IF EXISTS network_registrations, organisation_domains, organisations;
CREATE TABLE organisations (
    id integer PRIMARY KEY,
    name text NOT NULL,
    sector text NOT NULL,
    is_customer boolean NOT NULL
);
CREATE TABLE organisation_domains (
    domain text PRIMARY KEY,
    organisation_id integer NOT NULL REFERENCES organisations
);
CREATE TABLE network_registrations (
    network cidr PRIMARY KEY,
    holder text NOT NULL
);
"""


def write_organisations(out: Path, world: World) -> None:
    """Write schema and rows for `psql --file`: organisations, their domains, the registry of networks."""
    organisations = world.organisations
    with (out / "organisations.sql").open("w", encoding="utf-8") as file:
        file.write("BEGIN;\n" + _SCHEMA)
        rows: Iterable[tuple[object, ...]] = (
            (o.number + 1, o.name, o.sector, "t" if o.is_customer else "f") for o in organisations
        )
        file.write(_copy("organisations (id, name, sector, is_customer)", rows))
        rows = ((world.domains.names[d], o.number + 1) for o in organisations for d in o.domains)
        file.write(_copy("organisation_domains (domain, organisation_id)", rows))
        file.write(_copy("network_registrations (network, holder)", world.space.registrations))
        file.write("COMMIT;\n")


def _copy(target: str, rows: Iterable[tuple[object, ...]]) -> str:
    lines = "".join("\t".join(str(value) for value in row) + "\n" for row in rows)
    return f"COPY {target} FROM stdin;\n{lines}\\.\n"
