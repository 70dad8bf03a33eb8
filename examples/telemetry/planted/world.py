"""Who is in the world: organisations, their networks, mail services, forwarders, and those who cheat."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from planted.addresses import AddressSpace, Network, carve
from planted.arrays import chance, uneven_weights
from planted.names import lookalike, unique_domains

_SURE_CUSTOMERS = 6  # some must receive mail
SECTORS = ("finance", "health", "retail", "public", "travel", "software", "energy", "media")


@dataclass(frozen=True)
class Scale:
    """How many of each there are; few messages get a small world, so that each still sends enough."""

    organisations: int
    small_domains: int
    throwaway_domains: int
    lookalikes: int
    forwarders: int
    spoofers: int
    mail_services: int

    @classmethod
    def for_messages(cls, messages: int) -> Self:
        """Choose the world that fits to a number of messages."""

        def bounded(per: int, low: int, high: int) -> int:
            return max(low, min(high, messages // per))

        return cls(
            organisations=bounded(1400, 20, 140),
            small_domains=bounded(160, 50, 1000),
            throwaway_domains=bounded(450, 18, 320),
            lookalikes=bounded(1600, 8, 90),
            forwarders=bounded(1500, 9, 60),
            spoofers=bounded(2500, 12, 50),
            mail_services=bounded(12000, 4, 8),
        )


@dataclass
class Domains:
    """Every domain name that occurs; a domain is known by its place in `names`."""

    names: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def add(self, name: str, kind: str) -> int:
        """Add a name and return its place."""
        self.names.append(name)
        self.kinds.append(kind)
        return len(self.names) - 1


@dataclass(frozen=True)
class Organisation:
    """A registered organisation. `spf_policy` is the SPF result of mail from networks not listed."""

    number: int
    name: str
    sector: str
    is_customer: bool
    domains: tuple[int, ...]
    networks: tuple[Network, ...]
    listed: tuple[bool, ...]
    spf_policy: str
    signs: bool
    has_dmarc: bool
    lists_a_whole_cloud: bool
    size: float


@dataclass(frozen=True)
class MailService:
    """A third party that sends for others (an ESP), from networks of its own."""

    domain: int
    bounce_domain: int
    networks: tuple[Network, ...]
    recipients: int


@dataclass(frozen=True)
class Forwarder:
    """A site whose users let their mail be sent on. `rewrites`: the envelope gets its own domain (SRS).

    A narrow one serves a few users, who get mail from a few domains only.
    """

    domain: int
    network: Network
    addresses: int
    rewrites: bool
    is_narrow: bool
    keeps_signatures: float
    recipients: int
    size: float


@dataclass(frozen=True)
class World:
    """All of it."""

    scale: Scale
    domains: Domains
    organisations: tuple[Organisation, ...]
    mail_services: tuple[MailService, ...]
    forwarders: tuple[Forwarder, ...]
    small_domains: tuple[int, ...]
    throwaway_domains: tuple[int, ...]
    lookalikes: tuple[int, ...]
    clouds: tuple[Network, ...]
    hosters: tuple[Network, ...]
    shady_hosters: tuple[Network, ...]
    access_networks: tuple[Network, ...]
    space: AddressSpace
    taken: set[int]


def build_world(random: np.random.Generator, scale: Scale) -> World:
    """Draw a world."""
    space, domains = AddressSpace(), Domains()
    taken: set[int] = set()
    clouds = tuple(space.register(18, f"Cloud region {n}") for n in range(3))
    access = tuple(space.register(16, f"Access provider {n}") for n in range(10))
    hosters = tuple(space.register(19, f"Web hosting {n}") for n in range(5))
    shady = tuple(space.register(20, f"Servers {n}") for n in range(3))
    organisations = _organisations(random, scale, domains, space, clouds, taken)
    services = _mail_services(random, scale, domains, space)
    forwarders = _forwarders(random, scale, domains, space, (*clouds, *hosters), taken)
    small = unique_domains(random, scale.small_domains + scale.throwaway_domains, with_trade=False)
    first_of = [domains.names[organisation.domains[0]] for organisation in organisations]
    wanted = dict.fromkeys(
        lookalike(random, first_of[int(random.integers(0, len(first_of)))]) for _ in range(scale.lookalikes)
    )
    return World(
        scale=scale,
        domains=domains,
        organisations=organisations,
        mail_services=services,
        forwarders=forwarders,
        small_domains=tuple(domains.add(name, "small") for name in small[: scale.small_domains]),
        throwaway_domains=tuple(domains.add(name, "throwaway") for name in small[scale.small_domains :]),
        lookalikes=tuple(domains.add(name, "lookalike") for name in wanted if name not in domains.names),
        clouds=clouds,
        hosters=hosters,
        shady_hosters=shady,
        access_networks=access,
        space=space,
        taken=taken,
    )


def _organisations(  # noqa: PLR0917  # the parts of the world that exist so far
    random: np.random.Generator,
    scale: Scale,
    domains: Domains,
    space: AddressSpace,
    clouds: tuple[Network, ...],
    taken: set[int],
) -> tuple[Organisation, ...]:
    names = unique_domains(random, scale.organisations, with_trade=True)
    sizes = uneven_weights(random, scale.organisations, 0.8)
    organisations = []
    for number, (name, size) in enumerate(zip(names, sizes.tolist(), strict=True)):
        stem = name.removesuffix(".example")
        extra = [f"{stem}{suffix}.example" for suffix in ("mail", "-group", "-news") if chance(random, 0.3)]
        networks = []
        for n in range(int(random.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))):
            if chance(random, 0.25):
                cloud = clouds[int(random.integers(0, len(clouds)))]
                networks.append(carve(random, cloud, 28, taken))
            else:
                networks.append(space.register(int(random.choice([24, 25, 26])), f"{stem} {n}"))
        organisations.append(
            Organisation(
                number=number,
                name=stem.title(),
                sector=SECTORS[int(random.integers(0, len(SECTORS)))],
                is_customer=number < _SURE_CUSTOMERS or chance(random, 0.35),
                domains=tuple(domains.add(each, "organisation") for each in (name, *extra)),
                networks=tuple(networks),
                listed=tuple(chance(random, 0.93) for _ in networks),
                spf_policy=str(
                    random.choice(["fail", "softfail", "neutral", "none"], p=[0.36, 0.42, 0.07, 0.15])
                ),
                signs=chance(random, 0.75),
                has_dmarc=chance(random, 0.6),
                lists_a_whole_cloud=chance(random, 0.06),
                size=size,
            )
        )
    return tuple(organisations)


def _mail_services(
    random: np.random.Generator, scale: Scale, domains: Domains, space: AddressSpace
) -> tuple[MailService, ...]:
    services = []
    for name in unique_domains(random, scale.mail_services, with_trade=False):
        domain = domains.add(f"send{name}", "mail_service")
        networks = tuple(
            space.register(int(random.choice([21, 22, 23])), f"Mail service {name}")
            for _ in range(int(random.integers(1, 3)))
        )
        regional = chance(random, 0.15)
        services.append(
            MailService(
                domain=domain,
                bounce_domain=domains.add(f"bounces.send{name}", "mail_service"),
                networks=networks,
                recipients=5 if regional else 0,
            )
        )
    return tuple(services)


def _forwarders(  # noqa: PLR0917  # the parts of the world that exist so far
    random: np.random.Generator,
    scale: Scale,
    domains: Domains,
    space: AddressSpace,
    providers: tuple[Network, ...],
    taken: set[int],
) -> tuple[Forwarder, ...]:
    forwarders = []
    names = unique_domains(random, scale.forwarders, with_trade=False)
    sizes = np.maximum(uneven_weights(random, scale.forwarders, 1.0), 0.15)
    for name, size in zip(names, sizes.tolist(), strict=True):
        rented = chance(random, 0.4)
        provider = providers[int(random.integers(0, len(providers)))]
        is_list_server = chance(random, 0.2)
        forwarders.append(
            Forwarder(
                domain=domains.add(f"alumni{name}", "forwarder"),
                network=carve(random, provider, 28, taken)
                if rented
                else space.register(26, f"Campus {name}"),
                addresses=int(random.integers(1, 6)),
                rewrites=chance(random, 0.5),
                is_narrow=chance(random, 0.3),
                keeps_signatures=0.3 if is_list_server else 0.9,
                recipients=int(random.choice([1, 2, 3, 8], p=[0.3, 0.3, 0.2, 0.2])),
                size=size,
            )
        )
    return tuple(forwarders)
