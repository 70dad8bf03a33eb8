"""The models' parameters, from config/models.json; metrics.json repeats what was used."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from email_models.errors import ConfigError

_Section = TypeVar("_Section")
DEFAULT_FILE = Path(__file__).resolve().parent.parent / "config" / "models.json"


@dataclass(frozen=True)
class SenderSettings:
    """How networks and senders are told apart. Shares are between 0 and 1."""

    shared_registration_prefix_length: int  # a shorter prefix is a provider's: its users are known by block
    block_prefix_length: int
    forwarder_min_domains: int
    forwarder_max_guest_share: float
    forwarder_max_direct_share: float
    forwarder_min_signed_share: float
    authenticated_share: float
    signed_min_share_of_domain: float
    prior_log_odds: float
    good_company_bonus: float
    family_bonus: float
    own_network_bonus: float
    proof_bonus: float
    spf_refused_penalty: float


@dataclass(frozen=True)
class ReputationSettings:
    """How domains are scored; `disreputable_threshold` is a score between 0 (good) and 1 (bad)."""

    min_messages: int
    lookalike_max_edits: int
    disreputable_threshold: float


@dataclass(frozen=True)
class CampaignSettings:
    """How near-duplicates are found: `bands` * `rows` MinHash values, then the exact Jaccard similarity."""

    bands: int
    rows: int
    similarity: float
    min_messages: int
    max_bucket: int


@dataclass(frozen=True)
class Settings:
    """All of them."""

    senders: SenderSettings
    reputation: ReputationSettings
    campaigns: CampaignSettings

    @classmethod
    def load(cls, path: Path = DEFAULT_FILE) -> Self:
        """Read a settings file. Raises ConfigError when it is missing, no JSON, or has other keys."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read the model settings {path}: {error}") from error
        return cls(
            senders=_section(SenderSettings, document, "senders"),
            reputation=_section(ReputationSettings, document, "reputation"),
            campaigns=_section(CampaignSettings, document, "campaigns"),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for metrics.json."""
        return asdict(self)


def _section(kind: type[_Section], document: Any, name: str) -> _Section:
    values = document.get(name) if isinstance(document, dict) else None
    expected = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, dict) or set(values) != expected:
        found = sorted(values) if isinstance(values, dict) else values
        raise ConfigError(
            f"section {name!r} of the model settings must have the keys {sorted(expected)}, has {found}"
        )
    return kind(**values)
