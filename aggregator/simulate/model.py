"""What may be asked and what is answered. Amounts are whole units, prices US dollars."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from aggregator.report import Amount, Frozen, MarginReport

MOST_SIMULATIONS = 100
MOST_LEGS = 200
_TEXT = Field(min_length=1, max_length=200)

_DECIMAL = WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,20}(\.[0-9]{1,18})?$"})
_POSITIVE = WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,16}(\.[0-9]{1,18})?$"})
Signed = Annotated[Decimal, Field(ge=Decimal(-(10**20)), le=Decimal(10**20), allow_inf_nan=False), _DECIMAL]
Positive = Annotated[Decimal, Field(gt=0, le=Decimal(10**16), allow_inf_nan=False), _POSITIVE]
Share = Annotated[
    Decimal,
    Field(ge=0, le=1, allow_inf_nan=False),
    WithJsonSchema({"type": "string", "pattern": r"^(0(\.[0-9]{1,18})?|1)$"}),
]
Percent = Annotated[
    Decimal,
    Field(gt=-100, le=10_000, allow_inf_nan=False),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,2}(\.[0-9]{1,18})?$"}),
]


class Asked(BaseModel):
    """Base of questions: an unknown field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Leg(Asked):
    """One leg of a hypothetical account."""

    kind: Literal["holding", "collateral", "debt", "cash", "perp", "option"]
    """``cash`` is a stable coin that the venue books at par."""
    asset: Annotated[str, _TEXT]
    """CAIP-19 id, or the symbol on the account's chain; of perps and options the underlying."""
    amount: Signed
    """Whole units; negative for short perps and options only."""
    threshold: Share = Decimal("0.8")
    """Of collateral: share that counts against debts."""
    maintenance_ratio: Share = Decimal("0.05")
    """Of perps and short options: requirement per US dollar of notional."""
    price_usd: Positive | None = None
    """The venue's own price; None: the reconciled one."""
    entry_usd: Positive | None = None
    """Of perps: entry price; None: the venue's price."""
    strike_usd: Positive | None = None
    expiry: int | None = Field(default=None, ge=1, le=2**40)
    """Unix seconds."""
    vol: Positive | None = None
    """Per year, 0.8 = 80 %; at most 20."""
    is_call: bool = True


class Hypothetical(Asked):
    """One venue account that does not exist."""

    account: Annotated[str, _TEXT]
    """CAIP-10 id on one of the model's chains."""
    venue: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9-]+$")]
    sub_account: str = Field(default="", max_length=80)
    legs: tuple[Leg, ...] = Field(min_length=1, max_length=MOST_LEGS)


class PriceChange(Asked):
    """One price, by its key or by risk factor (everything of the factor moves by the same share)."""

    name: Annotated[str, _TEXT]
    pct: Percent | None = None
    price_usd: Positive | None = None
    """Instead of ``pct``."""


class CollateralChange(Asked):
    """More or less of a token in a venue account."""

    account: Annotated[str, Field(min_length=1, max_length=300)]
    """Venue account id: CAIP-10 account, ``/``, venue, and ``/`` sub-account where there is one."""
    asset: Annotated[str, _TEXT]
    amount: Signed
    leg: Literal["collateral", "debt"] = "collateral"


class PositionChange(Asked):
    """More or less of a perp or option, traded at the venue's price."""

    account: Annotated[str, Field(min_length=1, max_length=300)]
    market: Annotated[str, _TEXT]
    """The market, or the symbol of the underlying."""
    amount: Signed


class Transfer(Asked):
    """A token sent from one venue account to another, as if it had arrived."""

    source: Annotated[str, Field(min_length=1, max_length=300)]
    destination: Annotated[str, Field(min_length=1, max_length=300)]
    asset: Annotated[str, _TEXT]
    """Symbol on both chains."""
    amount: Positive
    bridge: str | None = Field(default=None, max_length=40)
    """Whose fee is taken off; None: nothing is."""


class RouteChange(Asked):
    """Routes that are otherwise; None leaves as it is."""

    bridge: Annotated[str, _TEXT]
    source: str | None = Field(default=None, max_length=60)
    destination: str | None = Field(default=None, max_length=60)
    fee_bps: float | None = Field(default=None, ge=0, lt=10_000)
    capacity_usd: float | None = Field(default=None, gt=0, le=1e15)
    """A bridge that takes nothing is named in ``paused_bridges``."""
    delay_s: float | None = Field(default=None, ge=0, le=1e8)
    """Later than usual, every transfer."""

    @model_validator(mode="after")
    def _ends(self) -> "RouteChange":
        if self.source is not None and self.source == self.destination:
            raise ValueError(f"source and destination are both {self.source[:40]!r}: a route joins two chains")
        return self


class ModelChange(Asked):
    """Parameters of the model; None leaves as it is."""

    scan_law: Literal["empirical", "diffusion"] | None = None
    horizon_s: int | None = Field(default=None, ge=3600, le=2_592_000)
    confidence: float | None = Field(default=None, ge=0.9, le=0.999)
    kappa: float | None = Field(default=None, ge=1, le=3)
    reaction: Literal["keeper", "person", "unattended"] | None = None
    scenario_sets: tuple[Literal["grid", "stress", "copula", "fhs"], ...] | None = Field(
        default=None, min_length=1, max_length=4
    )
    """What the buffers are taken over, the largest counts; ``fhs`` only where the service has a price history."""


class Changes(Asked):
    """Everything that would be otherwise."""

    spot_pct: Percent = Decimal(0)
    """All prices but those of stable coins."""
    vol_pct: Percent = Decimal(0)
    """Implied volatilities of all options, relative."""
    prices: tuple[PriceChange, ...] = Field(default=(), max_length=50)
    collateral_changes: tuple[CollateralChange, ...] = Field(default=(), max_length=MOST_LEGS)
    position_changes: tuple[PositionChange, ...] = Field(default=(), max_length=MOST_LEGS)
    transfers: tuple[Transfer, ...] = Field(default=(), max_length=50)
    paused_bridges: tuple[Annotated[str, _TEXT], ...] = Field(default=(), max_length=50)
    """Bridges that stand still, or chains without a block (CAIP-2)."""
    routes: tuple[RouteChange, ...] = Field(default=(), max_length=50)


class Simulation(Asked):
    """One what-if question."""

    portfolio: Annotated[str, _TEXT] | None = None
    """A stored portfolio; None: only the hypothetical accounts."""
    accounts: tuple[Hypothetical, ...] = Field(default=(), max_length=50)
    """Beside those of the portfolio."""
    prices: dict[Annotated[str, Field(max_length=40)], Positive] = Field(default_factory=dict, max_length=50)
    """Prices by key before any change; the newest reconciled ones for the others."""
    changes: Changes = Changes()
    model: ModelChange = ModelChange()


class SimulationRequest(Asked):
    """Up to 100 questions in one call."""

    simulations: tuple[Simulation, ...] = Field(min_length=1, max_length=MOST_SIMULATIONS)


class Simulated(Frozen):
    """The answer to one question, both reports by the code that makes the stored ones."""

    would_breach: bool | None
    """Whether the portfolio would lack its requirement, or any venue account its own; None where not known."""
    breaches: tuple[str, ...]
    """Venue accounts that would be liquidatable."""
    mm_excess_change_usd: Amount | None
    net_value_change_usd: Amount | None
    before: MarginReport
    after: MarginReport
