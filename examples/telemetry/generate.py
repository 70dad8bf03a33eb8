"""Make one day of e-mail telemetry with planted forwarders, forgers, bad domains and campaigns.

    python examples/telemetry/generate.py --messages 200000 --seed 7 --date 2026-11-20 --out DIR

writes DIR/messages/date=…/part-*.parquet (what the jobs read), DIR/organisations.sql (for PostgreSQL) and
DIR/truth/ (what was planted; only evaluate.py reads it). The same arguments always give the same data.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import numpy as np
from planted.content import add_extras, write_texts
from planted.files import message_table, write_messages, write_organisations, write_truth
from planted.flows import build_routes
from planted.messages import draw_messages
from planted.routes import RouteTable
from planted.world import Scale, build_world

_FEWEST = 2_000  # below this the world has more senders than messages


def generate(*, messages: int, seed: int, day: date, out: Path) -> int:
    """Write the data set into `out` and return the bytes of the message files."""
    random = np.random.default_rng(seed)
    world = build_world(random, Scale.for_messages(messages))
    routes, campaigns = build_routes(random, world)
    table = RouteTable.of(routes)
    drawn = draw_messages(random, world, table, campaigns, messages)
    texts = write_texts(random, drawn.campaign, campaigns)
    extras = add_extras(
        random,
        drawn.campaign,
        campaigns,
        drawn.from_domain,
        table.link_domain[drawn.route],
        table.attachment_rate[drawn.route],
        popular_domains=np.array(world.small_domains[:25]),
        hostile_domains=np.array(world.throwaway_domains + world.small_domains[25:40]),
    )
    records = message_table(random, world, drawn, texts, extras, day)
    size = write_messages(out, records, day)
    write_truth(out, records, world, table, drawn)
    write_organisations(out, world)
    return size


def _number_of_messages(text: str) -> int:
    number = int(text)
    if number < _FEWEST:
        raise argparse.ArgumentTypeError(f"{number} is too few, at least {_FEWEST} are needed")
    return number


def main() -> None:
    """Read the arguments, write the data set, say how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=_number_of_messages, default=200_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--date", type=date.fromisoformat, required=True, help="the day, YYYY-MM-DD")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    arguments = parser.parse_args()
    started = time.monotonic()
    size = generate(messages=arguments.messages, seed=arguments.seed, day=arguments.date, out=arguments.out)
    seconds = time.monotonic() - started
    print(f"{arguments.messages} messages, {size / 1e6:.1f} MB, {seconds:.1f} s: {arguments.out}")  # CLI


if __name__ == "__main__":
    main()
