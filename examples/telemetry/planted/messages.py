# ruff: noqa: PLR0917  # columns that depend on other columns
"""Draw messages from routes: what the receiving side records of the sender, a column at a time."""

from dataclasses import dataclass

import numpy as np

from planted.arrays import Bools, Floats, Ints, pick_by_row, pick_weighted
from planted.flows import SHARES, Campaigns
from planted.routes import ANY_RECIPIENT, BOTNET, DKIM_PROFILES, SPF_NAMES, SPF_PROFILES, RouteTable
from planted.world import World

DMARC_RESULTS = ("pass", "fail", "none")
_DAY_SECONDS = 86_400
# How often a message of each kind is sent on by a forwarder on its way.
_FORWARDED = {"own": 0.13, "mail_service": 0.13, "small": 0.13, "spoof": 0.04, "disreputable": 0.02}
_NARROW = 8  # a narrow forwarder takes mail of one domain in so many


@dataclass(frozen=True)
class Messages:
    """Columns, one entry per message. Domains are places in the world's names, -1 for none.

    `forwarder` and `campaign` are truth, -1 for none; `seconds` counts from midnight UTC.
    """

    route: Ints
    forwarder: Ints
    campaign: Ints
    address: Ints
    helo_domain: Ints
    envelope_domain: Ints
    from_domain: Ints
    reply_to_domain: Ints
    spf: Ints
    dkim: Ints
    dkim_domain: Ints
    dmarc: Ints
    recipient: Ints
    recipient_known: Bools
    seconds: Floats


def draw_messages(
    random: np.random.Generator, world: World, routes: RouteTable, campaigns: Campaigns, count: int
) -> Messages:
    """Draw `count` messages."""
    route = pick_weighted(random, _shares_kept(routes), count)
    forwarder = _forwarders_of(random, world, routes, route)
    campaign = _campaigns_of(random, routes, route)
    envelope, spf = _envelopes(random, world, routes, route, forwarder)
    dkim, dkim_domain = _signatures(random, world, routes, route, forwarder)
    forwarder_domains = np.array([forwarder.domain for forwarder in world.forwarders])
    return Messages(
        route=route,
        forwarder=forwarder,
        campaign=campaign,
        address=_addresses(random, world, routes, route, forwarder),
        helo_domain=np.where(forwarder >= 0, forwarder_domains[forwarder], routes.helo_domain[route]),
        envelope_domain=envelope,
        from_domain=routes.from_domain[route],
        reply_to_domain=routes.reply_to_domain[route],
        spf=spf,
        dkim=dkim,
        dkim_domain=dkim_domain,
        dmarc=_dmarc(world, routes.from_domain[route], envelope, spf, dkim, dkim_domain),
        recipient=_recipients(random, world, routes, route, forwarder),
        recipient_known=random.random(count) >= routes.unknown_recipient_rate[route],
        seconds=_times(random, routes, route, campaign, campaigns),
    )


def _shares_kept(routes: RouteTable) -> Floats:
    """Scale the routes' weights so that every kind has its share of all messages."""
    kinds = np.array(routes.kind)
    weights = routes.weight.astype(np.float64)
    for kind, share in SHARES.items():
        chosen = kinds == kind
        weights[chosen] *= share / weights[chosen].sum()
    return weights


def _forwarders_of(random: np.random.Generator, world: World, routes: RouteTable, route: Ints) -> Ints:
    rates = np.array([_FORWARDED.get(kind, 0.0) for kind in routes.kind])
    sizes = np.array([forwarder.size for forwarder in world.forwarders])
    chosen = pick_weighted(random, sizes, len(route))
    narrow = np.array([forwarder.is_narrow for forwarder in world.forwarders])
    takes = ~narrow[chosen] | (_scatter(routes.from_domain[route] * 64 + chosen) % _NARROW == 0)
    return np.where((random.random(len(route)) < rates[route]) & takes, chosen, -1)


def _campaigns_of(random: np.random.Generator, routes: RouteTable, route: Ints) -> Ints:
    counts = routes.campaigns[route]
    within = np.floor(counts * random.random(len(route)) ** 1.3).astype(np.int64)
    is_part = (random.random(len(route)) < routes.campaign_share[route]) & (counts > 0)
    return np.where(is_part, routes.first_campaign[route] + within, -1)


def _scatter(keys: Ints) -> Ints:
    """Spread keys over the non-negative integers, always the same way (Knuth's multiplicative hash)."""
    return (keys * 2_654_435_761 + 97) % (1 << 31) >> 11


def _addresses(
    random: np.random.Generator, world: World, routes: RouteTable, route: Ints, forwarder: Ints
) -> Ints:
    via = forwarder >= 0
    relays = world.forwarders
    base = np.where(via, np.array([f.network.base for f in relays])[forwarder], routes.base[route])
    size = np.where(via, np.array([f.network.size for f in relays])[forwarder], routes.size[route])
    hosts = np.where(via, np.array([f.addresses for f in relays])[forwarder], routes.addresses[route])
    owner = np.where(via, forwarder + 100_000, routes.base[route] // 16)
    host = np.floor(hosts * random.random(len(route)) ** 1.5).astype(np.int64)
    placed = base + 1 + _scatter(owner * 64 + host) % np.maximum(size - 2, 1)
    return np.where(base == BOTNET, _botnet(random, world, len(route)), placed)


def _botnet(random: np.random.Generator, world: World, count: int) -> Ints:
    machines = max(200, count // 25)
    access = world.access_networks
    chosen = random.integers(0, len(access), machines)
    pool = np.array([n.base for n in access])[chosen] + random.integers(1, access[0].size - 1, machines)
    return pool[random.integers(0, machines, count)]


def _policies(world: World, routes: RouteTable) -> Ints:
    """For every domain: the SPF profile that mail in its name gets from networks that it did not list."""
    policies = np.full(len(world.domains.names), SPF_NAMES.index("softfail"), dtype=np.int64)
    policies[routes.envelope_domain[routes.spf == SPF_NAMES.index("none")]] = SPF_NAMES.index("none")
    by_name = {name: place for place, name in enumerate(world.domains.names)}
    for organisation in world.organisations:
        for domain in organisation.domains:
            bounces = by_name.get(f"bounces.{world.domains.names[domain]}", domain)
            policies[[domain, bounces]] = SPF_NAMES.index(organisation.spf_policy)
    return policies


def _envelopes(
    random: np.random.Generator, world: World, routes: RouteTable, route: Ints, forwarder: Ints
) -> tuple[Ints, Ints]:
    via = forwarder >= 0
    rewritten = via & np.array([f.rewrites for f in world.forwarders])[forwarder]
    envelope = np.where(
        rewritten, np.array([f.domain for f in world.forwarders])[forwarder], routes.envelope_domain[route]
    )
    profile = np.where(via, _policies(world, routes)[envelope], routes.spf[route])
    profile[rewritten] = SPF_NAMES.index("listed")
    return envelope, pick_by_row(random, np.array(list(SPF_PROFILES.values())), profile)


def _signatures(
    random: np.random.Generator, world: World, routes: RouteTable, route: Ints, forwarder: Ints
) -> tuple[Ints, Ints]:
    passed, failed, absent = 0, 1, 2
    dkim = pick_by_row(random, np.array(list(DKIM_PROFILES.values())), routes.dkim[route])
    kept = np.array([f.keeps_signatures for f in world.forwarders])[forwarder]
    dkim = np.where((forwarder >= 0) & (dkim == passed) & (random.random(len(route)) > kept), failed, dkim)
    claimed = np.where(routes.dkim_domain[route] >= 0, routes.dkim_domain[route], routes.from_domain[route])
    return dkim, np.where(dkim == absent, -1, claimed)


def _dmarc(world: World, sender: Ints, envelope: Ints, spf: Ints, dkim: Ints, dkim_domain: Ints) -> Ints:
    names = world.domains.names
    registrable: dict[str, int] = {}
    owner = np.array(
        [registrable.setdefault(".".join(name.split(".")[-2:]), len(registrable)) for name in names]
    )
    publishes = np.zeros(len(names), dtype=np.bool_)
    for organisation in world.organisations:
        publishes[list(organisation.domains)] = organisation.has_dmarc
    publishes[list(world.small_domains[::3])] = True
    publishes[list(world.throwaway_domains[::4])] = True
    aligned_spf = (spf == 0) & (owner[envelope] == owner[sender])
    aligned_dkim = (dkim == 0) & (owner[dkim_domain] == owner[sender])
    result = np.where(aligned_spf | aligned_dkim, 0, 1)
    return np.where(publishes[sender], result, 2)


def _recipients(
    random: np.random.Generator, world: World, routes: RouteTable, route: Ints, forwarder: Ints
) -> Ints:
    customers = np.array([o.number for o in world.organisations if o.is_customer])
    popularity = np.arange(1, len(customers) + 1, dtype=np.float64) ** -0.6
    everyone = customers[pick_weighted(random, popularity, len(route))]
    via = forwarder >= 0
    few = np.where(
        via, np.array([f.recipients for f in world.forwarders])[forwarder], routes.recipients[route]
    )
    chosen = np.floor(few * random.random(len(route)) ** 1.2).astype(np.int64)
    owner = np.where(via, forwarder + 50_000, route)
    return np.where(few == ANY_RECIPIENT, everyone, customers[(_scatter(owner) + chosen) % len(customers)])


def _times(
    random: np.random.Generator, routes: RouteTable, route: Ints, campaign: Ints, campaigns: Campaigns
) -> Floats:
    count = len(route)
    starts = random.uniform(0, 21 * 3600, len(campaigns.hostile))
    lasts = random.uniform(1200, 4 * 3600, len(campaigns.hostile))
    office = random.normal(np.where(random.integers(0, 2, count) == 0, 10.0, 14.5) * 3600, 1.8 * 3600)
    alone = np.where(routes.office_hours[route], office, random.uniform(0, _DAY_SECONDS, count))
    together = starts[campaign] + random.exponential(1.0, count) * lasts[campaign]
    return np.mod(np.where(campaign >= 0, together, alone), _DAY_SECONDS)
