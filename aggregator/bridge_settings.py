"""Settings of what is learned about bridges while the service runs."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from aggregator.bridge_laws import known_bridges
from chains.caip import parse_chain


def _hash(value: str) -> str:
    if not re.fullmatch("0x[0-9a-fA-F]{64}", value):
        raise ValueError("must be a transaction hash: 0x and 64 hex digits")
    return value


Hash = Annotated[str, AfterValidator(_hash)]
Whose = Literal["own", "everyone", "off"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LaneSettings(_Part):
    """One CCIP lane: the query that the operator's interface takes for a pair of chains."""

    source: str
    destination: str
    query: dict[str, str] = Field(min_length=1)

    @field_validator("source", "destination")
    @classmethod
    def _chain(cls, value: str) -> str:
        return str(parse_chain(value))

    @model_validator(mode="after")
    def _ends(self) -> "LaneSettings":
        if self.source == self.destination:
            raise ValueError(f"source and destination are both {self.source}: a lane joins two chains")
        return self


class LiveSettings(_Part):
    """Operators' interfaces by base URL; what is not named is not asked (docs/bridges.md)."""

    across: SecretStr | None = None
    """Quotes and limits, ``https://app.across.to``."""
    cctp: SecretStr | None = None
    """Fast allowance and fee, ``https://iris-api.circle.com``."""
    ccip: SecretStr | None = None
    """Lane latency, ``https://api.ccip.chain.link``; asked for ``lanes``."""
    lanes: tuple[LaneSettings, ...] = ()
    lifi: SecretStr | None = None
    """Status of own transfers, ``https://li.quest``; asked for ``transfers``."""
    transfers: dict[str, tuple[Hash, ...]] = Field(default_factory=dict)
    """Transaction hashes on the source chain by bridge; each is asked for until it has arrived."""
    every_s: float = Field(default=60, gt=0)
    timeout_s: float = Field(default=5, gt=0)
    """An operator that has not answered by then has not answered."""

    @field_validator("transfers")
    @classmethod
    def _bridges(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if unknown := sorted(set(value) - set(known_bridges())):
            raise ValueError(f"no latency law for {unknown[0]!r}; there are {', '.join(known_bridges())}")
        return value


class BridgeSettings(_Part):
    """What updates the latency laws beside the file of observations."""

    observe: Whose = "own"
    """Whose Across transfers count: those of the portfolios' accounts, everyone's, or nobody's."""
    every_s: float = Field(default=30, gt=0)
    """How often the spoke pools are looked at."""
    live: LiveSettings = LiveSettings()
