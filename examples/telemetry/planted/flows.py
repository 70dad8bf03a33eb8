"""What mail flows in the world: the routes of all who send, honest or not, and their campaigns."""

from dataclasses import dataclass, field

import numpy as np

from planted.addresses import Network, carve
from planted.arrays import chance, uneven_weights
from planted.routes import ANY_RECIPIENT, BOTNET, Route
from planted.world import MailService, Organisation, World

# Share of all messages by kind of route. Forwarded messages are drawn from these afterwards.
SHARES = {
    "own": 0.36,
    "mail_service": 0.28,
    "small": 0.15,
    "forwarder": 0.02,
    "spoof": 0.095,
    "disreputable": 0.095,
}


@dataclass
class Campaigns:
    """Planted campaigns, by number. `hostile` ones are made to get through filters, so they vary more."""

    hostile: list[bool] = field(default_factory=list)
    home_domain: list[int] = field(default_factory=list)

    def start(self, count: int, *, hostile: bool, home_domain: int) -> int:
        """Plan `count` campaigns and return the number of the first."""
        first = len(self.hostile)
        self.hostile.extend([hostile] * count)
        self.home_domain.extend([home_domain] * count)
        return first


def build_routes(random: np.random.Generator, world: World) -> tuple[list[Route], Campaigns]:
    """Return every route of the world and the campaigns that they carry."""
    campaigns = Campaigns()
    routes = [
        *_own(random, world, campaigns),
        *_through_mail_services(random, world, campaigns),
        *_small(random, world, campaigns),
        *_forwarders_own(random, world),
        *_spoofs(random, world, campaigns),
        *_disreputable(random, world, campaigns),
    ]
    return routes, campaigns


def _own(random: np.random.Generator, world: World, campaigns: Campaigns) -> list[Route]:
    routes = []
    for organisation in world.organisations:
        for place, domain in enumerate(organisation.domains):
            importance = organisation.size * (1.0 if place == 0 else 0.5)
            for number, network in enumerate(organisation.networks):
                if number > 0 and chance(random, 0.3):
                    continue
                bulk = chance(random, 0.3)
                routes.append(
                    Route(
                        kind="own",
                        from_domain=domain,
                        envelope_domain=domain,
                        dkim_domain=domain if organisation.signs else -1,
                        spf=_spf_seen(organisation, listed=organisation.listed[number]),
                        dkim="signed" if organisation.signs else "unsigned",
                        base=network.base,
                        size=network.size,
                        weight=importance
                        * float(np.exp(random.normal(0, 0.6)))
                        * (1.0 if number == 0 else 0.6),
                        helo_domain=domain,
                        link_domain=_any(random, world.small_domains[:25]) if chance(random, 0.12) else -1,
                        addresses=int(random.integers(1, 7)),
                        recipients=4 if chance(random, 0.25) else ANY_RECIPIENT,
                        unknown_recipient_rate=float(random.uniform(0.003, 0.03)),
                        first_campaign=campaigns.start(int(bulk), hostile=False, home_domain=domain),
                        campaigns=int(bulk),
                        campaign_share=0.35,
                    )
                )
    return routes


def _spf_seen(organisation: Organisation, *, listed: bool) -> str:
    if organisation.spf_policy == "none":
        return "none"
    return "listed" if listed else organisation.spf_policy


def _through_mail_services(random: np.random.Generator, world: World, campaigns: Campaigns) -> list[Route]:
    routes = []
    for organisation in world.organisations:
        for domain in organisation.domains:
            count = int(random.choice([0, 1, 2], p=[0.3, 0.45, 0.25]))
            for chosen in random.permutation(len(world.mail_services))[:count].tolist():
                service = world.mail_services[chosen]
                own_bounces = chance(random, 0.4) and organisation.spf_policy != "none"
                signs = chance(random, 0.72)
                network = service.networks[int(random.integers(0, len(service.networks)))]
                count_of_campaigns = int(random.integers(1, 3))
                routes.append(
                    Route(
                        kind="mail_service",
                        from_domain=domain,
                        envelope_domain=_bounces_of(world, domain) if own_bounces else service.bounce_domain,
                        dkim_domain=domain if signs else service.domain,
                        spf="listed",
                        dkim="signed",
                        base=network.base,
                        size=network.size,
                        weight=organisation.size * float(np.exp(random.normal(0, 0.7))),
                        helo_domain=service.domain,
                        link_domain=service.domain if chance(random, 0.5) else -1,
                        addresses=int(random.integers(2, 9)),
                        recipients=service.recipients,
                        unknown_recipient_rate=float(random.uniform(0.01, 0.07)),
                        office_hours=False,
                        first_campaign=campaigns.start(count_of_campaigns, hostile=False, home_domain=domain),
                        campaigns=count_of_campaigns,
                        campaign_share=0.75,
                        attachment_rate=0.02,
                    )
                )
    return routes


def _bounces_of(world: World, domain: int) -> int:
    return world.domains.add(f"bounces.{world.domains.names[domain]}", "organisation")


def _small(random: np.random.Generator, world: World, campaigns: Campaigns) -> list[Route]:
    """Honest small senders on shared web hosting, a few of them in bad company, some badly run.

    One in five sends what its shop platform writes for it, so that honest domains have near-duplicates in
    common too.
    """
    routes = []
    platforms = max(2, len(world.small_domains) // 50)
    templates = campaigns.start(platforms, hostile=False, home_domain=world.small_domains[0])
    sizes = uneven_weights(random, len(world.small_domains), 0.9)
    for domain, size in zip(world.small_domains, sizes.tolist(), strict=True):
        providers = world.shady_hosters if chance(random, 0.05) else world.hosters
        network = _part_of(random, providers)
        signs, bulk, messy = chance(random, 0.5), chance(random, 0.15), chance(random, 0.06)
        on_platform = not bulk and chance(random, 0.2)
        first = templates + int(random.integers(0, platforms)) if on_platform else len(campaigns.hostile)
        if bulk:
            campaigns.start(1, hostile=False, home_domain=domain)
        routes.append(
            Route(
                kind="small",
                from_domain=domain,
                envelope_domain=domain,
                dkim_domain=domain if signs else -1,
                spf="listed" if chance(random, 0.75) else "none",
                dkim="signed" if signs else "unsigned",
                base=network.base,
                size=network.size,
                weight=size,
                helo_domain=domain if chance(random, 0.5) else -1,
                link_domain=_any(random, world.small_domains[:25]) if chance(random, 0.35) else -1,
                addresses=1 + int(chance(random, 0.2)),
                recipients=int(random.choice([1, 3, 6, ANY_RECIPIENT], p=[0.1, 0.3, 0.3, 0.3])),
                unknown_recipient_rate=float(
                    random.uniform(0.04, 0.12) if messy else random.uniform(0.0, 0.03)
                ),
                first_campaign=first,
                campaigns=int(bulk or on_platform),
                campaign_share=0.5,
            )
        )
    return routes


def _part_of(random: np.random.Generator, providers: tuple[Network, ...]) -> Network:
    provider = providers[int(random.integers(0, len(providers)))]
    size = 16
    return Network(provider.base + size * int(random.integers(0, provider.size // size)), 28)


def _forwarders_own(random: np.random.Generator, world: World) -> list[Route]:
    """Return the mail that forwarders send in their own name, from the addresses that they forward from."""
    return [
        Route(
            kind="forwarder",
            from_domain=forwarder.domain,
            envelope_domain=forwarder.domain,
            dkim_domain=forwarder.domain,
            spf="listed",
            dkim="signed" if chance(random, 0.6) else "unsigned",
            base=forwarder.network.base,
            size=forwarder.network.size,
            weight=forwarder.size,
            helo_domain=forwarder.domain,
            addresses=forwarder.addresses,
        )
        for forwarder in world.forwarders
    ]


def _spoofs(random: np.random.Generator, world: World, campaigns: Campaigns) -> list[Route]:
    """Mail that claims to come from an organisation and does not."""
    routes = []
    fame = np.array([organisation.size for organisation in world.organisations])
    efforts = np.maximum(uneven_weights(random, world.scale.spoofers, 0.8), 0.3)
    for effort in efforts.tolist():
        targets = random.choice(len(fame), int(random.integers(1, 4)), replace=False, p=fame / fame.sum())
        count = int(random.integers(1, 4))
        first = campaigns.start(count, hostile=True, home_domain=_any(random, world.throwaway_domains))
        means = str(
            random.choice(
                ["botnet", "rented", "shady", "hacked_site", "mail_service", "replay"],
                p=[0.41, 0.25, 0.15, 0.12, 0.04, 0.03],
            )
        )
        network = _spoofing_network(random, world, means)
        unknown = float(random.uniform(0.02, 0.3))
        recipients = int(random.choice([3, 6, ANY_RECIPIENT], p=[0.25, 0.25, 0.5]))
        if means in {"mail_service", "replay"}:
            effort *= 0.3  # noqa: PLW2901  # such accounts are closed soon, such messages expire
        for target in targets.tolist():
            victim = world.organisations[target]
            domain = victim.domains[0] if chance(random, 0.8) else _any(random, victim.domains)
            routes.append(
                _spoof(
                    random, world, victim, domain, network, means, effort * float(random.uniform(0.4, 1.6))
                ).with_campaigns(first, count, unknown, recipients)
            )
    return routes


def _any(random: np.random.Generator, places: tuple[int, ...]) -> int:
    return places[int(random.integers(0, len(places)))]


def _spoofing_network(random: np.random.Generator, world: World, means: str) -> Network:
    if means == "botnet":
        return Network(BOTNET, 32)
    if means in {"rented", "replay"}:
        return carve(random, world.clouds[int(random.integers(0, len(world.clouds)))], 28, world.taken)
    if means == "mail_service":
        service: MailService = world.mail_services[int(random.integers(0, len(world.mail_services)))]
        return service.networks[0]
    if means == "shady" and chance(random, 0.3):
        return world.space.register(24, "Holding company")
    return _part_of(random, world.shady_hosters if means == "shady" else world.hosters)


def _spoof(  # noqa: PLR0917  # one actor's means against one victim
    random: np.random.Generator,
    world: World,
    victim: Organisation,
    domain: int,
    network: Network,
    means: str,
    weight: float,
) -> Route:
    own_envelope = means == "mail_service" or chance(random, 0.35)
    envelope = _any(random, world.throwaway_domains) if own_envelope else domain
    passes = means == "rented" and victim.lists_a_whole_cloud
    spf = "careless" if own_envelope else ("listed" if passes else victim.spf_policy)
    replays = means == "replay" and victim.signs  # sends a genuine signed message again and again
    signs_as_other = own_envelope and chance(random, 0.4)
    return Route(
        kind="spoof",
        from_domain=domain,
        envelope_domain=envelope,
        dkim_domain=domain if replays else (envelope if signs_as_other else -1),
        spf=spf,
        dkim="signed" if replays or signs_as_other else "forged",
        base=network.base,
        size=network.size,
        weight=weight,
        helo_domain=domain if chance(random, 0.3) else -1,
        reply_to_domain=_any(random, world.throwaway_domains) if chance(random, 0.3) else -1,
        addresses=int(random.integers(1, 6)),
        office_hours=chance(random, 0.3),
        campaign_share=0.88,
        attachment_rate=0.3,
        forged=True,
    )


def _disreputable(random: np.random.Generator, world: World, campaigns: Campaigns) -> list[Route]:
    """Domains bought to cheat: rings of throwaways that share campaigns and machines, and lookalikes."""
    routes: list[Route] = []
    waiting = list(world.throwaway_domains)
    while waiting:
        ring = [waiting.pop() for _ in range(min(len(waiting), int(random.integers(1, 8))))]
        count = int(random.integers(1, 4))
        first = campaigns.start(count, hostile=True, home_domain=ring[0])
        network = _ring_network(random, world)
        unknown = float(random.uniform(0.06, 0.35))
        routes.extend(
            _throwaway(random, domain, network).with_campaigns(first, count, unknown, ANY_RECIPIENT)
            for domain in ring
        )
    for domain in world.lookalikes:
        first = campaigns.start(1, hostile=True, home_domain=domain)
        routes.append(
            _throwaway(random, domain, _ring_network(random, world), weight=0.7).with_campaigns(
                first, 1, float(random.uniform(0.02, 0.15)), int(random.integers(1, 5))
            )
        )
    return routes


def _ring_network(random: np.random.Generator, world: World) -> Network:
    means = str(random.choice(["shady", "rented", "hacked_site", "botnet"], p=[0.4, 0.3, 0.2, 0.1]))
    return _spoofing_network(random, world, means)


def _throwaway(random: np.random.Generator, domain: int, network: Network, weight: float = 1.0) -> Route:
    signs = chance(random, 0.5)
    return Route(
        kind="disreputable",
        from_domain=domain,
        envelope_domain=domain,
        dkim_domain=domain if signs else -1,
        spf="careless" if network.base == BOTNET or chance(random, 0.4) else "listed",
        dkim="signed" if signs else "unsigned",
        base=network.base,
        size=network.size,
        weight=weight * float(np.maximum(np.exp(random.normal(0, 0.7)), 0.3)),
        helo_domain=domain if chance(random, 0.5) else -1,
        addresses=int(random.integers(1, 5)),
        office_hours=chance(random, 0.3),
        campaign_share=0.8,
        attachment_rate=0.2,
    )
