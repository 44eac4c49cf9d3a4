"""Settings: one frozen tree from a TOML file, environment variables over it (``CROSSMARGIN_…``, ``__`` nests).

Endpoint URLs, the database DSN and webhook secrets are ``SecretStr``: they never reach a log, an error or an
answer. A name that does not exist is refused with its full path.
"""

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aggregator.access.settings import AccessSettings
from aggregator.advice.settings import AdviceSettings
from aggregator.bridge_settings import BridgeSettings
from aggregator.delivery.settings import DeliverySettings, unlike
from aggregator.delivery.settings import WebhookSettings as WebhookSettings
from aggregator.errors import ConfigError
from aggregator.statements.settings import StatementSettings
from aggregator.store.policy import RetentionSettings
from aggregator.watches.book import WatchBook
from aggregator.watches.rule import NAME, WatchChange
from aggregator.workers.settings import WorkerSettings
from chains.caip import parse_account, parse_address, parse_chain
from chains.data import packaged
from chains.errors import InvalidId
from chains.types import Finality


class Section(BaseModel):
    """Base of all parts of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChainSettings(Section):
    """How one chain is reached."""

    rpc_urls: tuple[SecretStr, ...] = Field(min_length=1)
    """Endpoints in order of preference: http(s) for reads, ws(s) where new blocks are to be announced."""
    rate_per_s: int = Field(default=200, ge=1)
    """Requests per second and endpoint."""
    concurrency: int = Field(default=8, ge=1)
    timeout_s: float = Field(default=15, gt=0)
    hedge_after_s: float | None = Field(default=1, gt=0)
    """A second endpoint is asked too when the first has not answered by then; None: never."""
    agree: int = Field(default=1, ge=1)
    """Endpoints that must give the same answer to every read at a named block."""
    finality: Finality | None = None
    """Which block of this chain is read; None: that of the whole settings."""
    max_head_age_s: float | None = Field(default=None, gt=0)
    """A head older than this makes the chain stalled; None: that of the whole settings."""
    index_from_block: int | None = Field(default=None, ge=0)
    """Where the index of accounts begins: the venues' first block finds everybody; None: today's head."""
    log_lookback_blocks: int = Field(default=100_000, ge=1)
    """How far back transfers in flight are looked for; an Across fill deadline is at most 6 h away."""

    @model_validator(mode="after")
    def _witnesses(self) -> "ChainSettings":
        if self.agree > len(self.rpc_urls):
            raise ValueError(f"agree: {self.agree} endpoints must agree, but rpc_urls has {len(self.rpc_urls)}")
        return self


WatchName = Annotated[str, Field(pattern=NAME)]
"""Of a watch: lower case, digits and -."""


class TargetSettings(Section):
    """Where the owner of a portfolio wants to be; advice aims here."""

    health: Decimal | None = Field(default=None, ge=1)
    """Least health of every account that can be liquidated; None: its own floor and horizon decide."""
    coverage: Decimal = Field(default=Decimal("1.0"), ge=0)
    """Least multiple of what the horizon may cost that an account should hold itself."""
    liquidity_coverage: Decimal | None = Field(default=None, ge=0)
    """Least of what an account holds and what can arrive in time, over what it may lose; None: not asked for."""
    ratio: Decimal = Field(default=Decimal("1.0"), ge=0)
    """Least margin ratio of the portfolio."""


class PortfolioSettings(Section):
    """Accounts that one owner wants margined together."""

    accounts: tuple[str, ...] = Field(min_length=1)
    """CAIP-10 ids, or bare addresses, which mean the address on every configured chain."""
    target: TargetSettings = TargetSettings()
    watches: dict[WatchName, WatchChange] = Field(default_factory=dict)
    """What is different for this portfolio, over ``[watches]`` and the package's own (docs/watches.md)."""

    @field_validator("accounts")
    @classmethod
    def _accounts(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse_address(v, "account") if v.startswith("0x") else parse_account(v) for v in values)


class ModelSettings(Section):
    """Parameters of the unified margin (RISK sections 2-5)."""

    grid: str = "grid_v1"
    scenario_sets: tuple[Literal["grid", "stress", "copula", "fhs"], ...] = Field(default=("grid",), min_length=1)
    """The buffers are the largest that any of these sets asks for (RISK section 2)."""
    tails: Literal["always", "near"] = "always"
    """``near``: screen on the grid and take the rows of copula and fhs near a threshold only."""
    history: Path | None = None
    """Hourly bars by factor, CSV or Parquet, for the set ``fhs`` and for the volatility forecast."""
    correlation: Literal["fixed", "history"] = "fixed"
    """Of the copula: one figure for all pairs of coins, or that of the history (``aggregator/joint.py``)."""
    volatility: Literal["long_run", "ewma", "garch"] = "long_run"
    """What breach probabilities walk with; a forecast needs a history that ends within the last two days."""
    scan_law: Literal["empirical", "diffusion"] = "empirical"
    horizon_s: int = Field(default=86_400, ge=3600)
    confidence: float = Field(default=0.99, gt=0.5, lt=1)
    kappa: float = Field(default=1.10, ge=1)
    reaction: Literal["keeper", "person", "unattended"] = "person"
    """Who moves the money when it must be moved: 3 s, 900 s or 28,800 s."""
    bridges: tuple[str, ...] = ()
    """Bridges that may be used; empty means those of the main route table (``crossmargin bridges``)."""
    bridge_observations: Path | None = None
    """CSV of own transfers that updates the latency laws (docs/bridges.md)."""
    paused_bridges: tuple[str, ...] = ()
    haircut_crypto: Decimal = Field(default=Decimal("0.05"), ge=0, lt=1)
    haircut_stable: Decimal = Field(default=Decimal("0.01"), ge=0, lt=1)
    im_factor: Decimal = Field(default=Decimal("1.25"), ge=1)


class ExchangeSettings(Section):
    """One exchange whose books are a price source."""

    name: str
    """binance, coinbase, kraken or okx."""
    symbols: dict[str, str] = Field(min_length=1)
    """By price key; ``BTCUSDT@USDT`` is priced in USDT, composed with its own price; ``1/USDKRW`` turned over."""
    stream: bool = False
    """Keep a WebSocket open instead of asking each cycle (binance, coinbase, kraken, okx)."""
    url: SecretStr | None = None
    """Another address than the exchange's public one."""
    timeout_s: float = Field(default=5, gt=0)


class HermesSettings(Section):
    """Pyth prices by HTTP."""

    url: SecretStr = SecretStr("https://hermes.pyth.network")
    key: SecretStr | None = None
    """Hermes answers nobody without a key from 18 August 2026 on."""
    ids: dict[str, str] = Field(min_length=1)
    """Feed id (0x and 64 hex digits) by price key."""
    timeout_s: float = Field(default=5, gt=0)


class PriceSettings(Section):
    """What makes a price usable, and sources outside the chains."""

    parameters: str = "params_v1"
    sequencer_grace_s: int = Field(default=3600, ge=0)
    """Users need time to act before prices of an L2 count again (Chainlink's sample and Venus: 3600)."""
    exchanges: tuple[ExchangeSettings, ...] = ()
    hermes: HermesSettings | None = None
    venue_facts: bool = True
    """Show what venues' own oracles say beside the prices."""


class IndexSettings(Section):
    """The index of accounts, which follows the venues' events."""

    enabled: bool = True
    """Let ``serve`` follow events, so that a portfolio is looked at when something happens to it."""
    poll_s: float = Field(default=2, gt=0)
    """How often the head is asked for where no WebSocket endpoint announces it."""
    sample: int = Field(default=10, ge=0)
    """Clean accounts per chain and interval that are read again; what changed without an event is a defect."""
    sample_interval_s: float = Field(default=60, gt=0)
    most_blocks: int = Field(default=100_000, ge=1)
    """Widest range of one log query; it adapts below that."""


class ServiceSettings(Section):
    """The running service."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    scan_interval_s: float = Field(default=15, gt=0)
    price_interval_s: float | None = Field(default=3, gt=0)
    """How often prices alone are read between scans, to look at once at whom they moved; None: never."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="CROSSMARGIN_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    deployments: Path
    """JSON file with the addresses on each chain (``chains.deployments``); the devnet writes one.

    In a settings file also the bare name of one that ships with the package: ``mainnet_v1``.
    """
    chains: dict[str, ChainSettings] = Field(min_length=1)
    """By CAIP-2 id."""
    portfolios: dict[str, PortfolioSettings] = Field(default_factory=dict)
    database: SecretStr = SecretStr("sqlite+aiosqlite:///crossmargin.db")
    finality: Finality = Finality.LATEST
    """Which blocks are read; the same on every chain, so that the cut is one picture."""
    max_head_age_s: float | None = Field(default=None, gt=0)
    """A head older than this by the wall clock makes the chain's figures unknown; None: by finality."""
    model: ModelSettings = ModelSettings()
    prices: PriceSettings = PriceSettings()
    index: IndexSettings = IndexSettings()
    bridges: BridgeSettings = BridgeSettings()
    """What updates the latency laws while the service runs."""
    service: ServiceSettings = ServiceSettings()
    access: AccessSettings = AccessSettings()
    """Who may ask the HTTP API, and how much."""
    advice: AdviceSettings = AdviceSettings()
    """When advice is worked out beside the scans."""
    watches: dict[WatchName, WatchChange] = Field(default_factory=dict)
    """Changes to the watches of all portfolios, and new ones."""
    webhooks: tuple[WebhookSettings, ...] = ()
    """Receivers of alerts."""
    delivery: DeliverySettings = DeliverySettings()

    _receivers = field_validator("webhooks")(unlike)
    retention: RetentionSettings = RetentionSettings()
    """How long what is kept."""
    workers: WorkerSettings = WorkerSettings()
    """How several processes share the work (PostgreSQL only)."""
    statements: StatementSettings = StatementSettings()
    """Who signs margin statements."""

    @field_validator("chains", mode="before")
    @classmethod
    def _chains(cls, value: Any) -> Any:
        return {str(parse_chain(name)): item for name, item in value.items()} if isinstance(value, dict) else value

    @property
    def watch_book(self) -> WatchBook:
        """The watches of every portfolio."""
        return WatchBook(self.watches, {name: item.watches for name, item in self.portfolios.items()})

    @model_validator(mode="after")
    def _watches(self) -> "Settings":
        self.watch_book.check()
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the values of the file (given as init values)."""
        return env_settings, init_settings


def load_settings(path: Path) -> Settings:
    """Settings from a TOML file; relative paths in it are relative to the file.

    Raises ConfigError that names each wrong setting, what was expected and what was there (secrets hidden).
    """
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such settings file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    if "deployments" in content:
        content["deployments"] = str(_deployments(path.parent, str(content["deployments"])))
    return make_settings(content, str(path))


def _deployments(folder: Path, given: str) -> Path:
    """A bare name is a file of the package, everything else a path relative to the settings' folder."""
    return packaged(given) if given.isidentifier() else folder / given


def make_settings(content: dict[str, Any], origin: str) -> Settings:
    """Settings from plain values, with errors that name the setting."""
    try:
        return Settings(**content)
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from None
    except InvalidId as error:
        raise ConfigError(f"{origin}: {error}") from None


def _explain(error: ValidationError, origin: str) -> str:
    """One line per wrong setting; the offending value is never shown, for it may hold a secret."""
    lines = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"])
        hint = " (not a setting: check the spelling)" if item["type"] == "extra_forbidden" else ""
        lines.append(f"{origin}: {where}: {item['msg']}{hint}")
    return "\n".join(lines)


def default_settings_path() -> Path:
    """``CROSSMARGIN_CONFIG`` or ``crossmargin.toml`` in the working folder."""
    return Path(os.environ.get("CROSSMARGIN_CONFIG") or "crossmargin.toml")
