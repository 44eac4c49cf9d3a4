"""The margin report: one shape for the command line, the API, the store and the webhooks (DESIGN section 8).

Amounts are Decimal and leave as JSON strings. A figure that is not known is None, with its reason in
``data_quality.degraded``; it is never zero.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer

from risk.status import Status


def _plain(value: Decimal) -> str:
    return format(value, "f")


Amount = Annotated[Decimal, PlainSerializer(_plain, return_type=str, when_used="json")]
"""A decimal number that JSON carries as a string without an exponent."""


class Frozen(BaseModel):
    """Base of all parts of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PortfolioRef(Frozen):
    """Name and accounts (CAIP-10) that are margined together."""

    name: str
    accounts: tuple[str, ...]


class BlockStamp(Frozen):
    """The block a chain was read at."""

    number: int
    hash: str
    timestamp: int
    finality: str


class ChainCondition(Frozen):
    """How far a chain can be relied on: ok, stalled, unreachable, sequencer_down, sequencer_recovering."""

    status: str
    reason: str


class AsOf(Frozen):
    """When and where the figures are true."""

    time: datetime
    max_skew_s: int
    blocks: dict[str, BlockStamp]
    chains: dict[str, ChainCondition] = {}
    """Condition of the chains that the portfolio has accounts on."""


class Degraded(Frozen):
    """One thing that is not known or not as it should be."""

    what: str
    reason: str


class DataQuality(Frozen):
    """Whether anything is missing, and how old the oldest input is."""

    complete: bool
    staleness_s: int | None
    degraded: tuple[Degraded, ...]


class ModelRef(Frozen):
    """Model and parameters that made the figures."""

    id: str
    version: str
    params_hash: str
    volatility: str = "long_run"
    """What breach probabilities walk with: long_run, ewma or garch."""
    tails: str = "none"
    """Rows of copula and fhs under the buffers: none (not chosen), full, or screened (far from a threshold)."""


class AddOns(Frozen):
    """Lines on top of the unified buffer, US dollars; None where not known."""

    oracle_uncertainty_usd: Amount | None
    in_flight_usd: Amount | None
    concentration_usd: Amount | None = None
    """What closing every position costs beyond the mid: spread and square-root impact."""
    depeg_basis_usd: Amount | None = None
    correlation_break_usd: Amount | None = None
    liquidation_penalty_usd: Amount | None = None
    """Probability of a breach within 24 h times what the venue's rule takes, summed."""


class Efficiency(Frozen):
    """What netting saves, in theory and as far as value can be moved in time (RISK section 5)."""

    theoretical: Amount | None
    usable: Amount | None
    latency_loss: Amount | None


class WorstScenario(Frozen):
    """The scenario that costs the whole portfolio most."""

    label: str
    loss_usd: Amount


class Greeks(Frozen):
    """Sensitivities of the economic value by risk factor."""

    delta_usd: dict[str, Amount]
    gamma_usd: dict[str, Amount]
    vega_usd: dict[str, Amount]
    theta_usd_per_day: dict[str, Amount]


class OwnCheckLine(Frozen):
    """A figure of ours beside the venue contract's own."""

    name: str
    ours: Amount
    theirs: Amount
    rel_error: Amount


class LiquidationPrice(Frozen):
    """Price of a factor at which an account becomes liquidatable; None where no move does it."""

    own_usd: Amount | None
    """By the venue's rule with all other prices as they are."""
    joint_usd: Amount | None
    """With all crypto moving together by the same share."""


class UnifiedPrice(Frozen):
    """Where the surplus of all accounts together is used up: no placement of money helps beyond."""

    move_pct: Amount | None
    price_usd: Amount | None


class ReverseStressLine(Frozen):
    """The least unlikely joint move that breaches."""

    daily_sigmas: Amount
    moves_pct: dict[str, Amount]
    account: str | None = None
    """Venue account that breaches; None: the portfolio as a whole does."""


class Comparison(Frozen):
    """The same accounts margined in three ways, without add-ons; US dollars."""

    isolated_requirement_usd: Amount
    cross_requirement_usd: Amount
    unified_requirement_usd: Amount


class VenueLine(Frozen):
    """One venue account: the unit of liquidation."""

    account: str
    chain: str
    venue: str
    sub_account: str
    status: Status
    reason: str
    equity_usd: Amount | None
    mm_requirement_usd: Amount | None
    surplus_usd: Amount | None
    surplus_low_usd: Amount | None = None
    """At the unfavourable end of the reconciled prices."""
    surplus_high_usd: Amount | None = None
    """At the favourable end: liquidation is flagged by price only when this breaches too."""
    price_verdict: str = ""
    """What the width of the prices decides; empty where it decides nothing."""
    net_value_usd: Amount | None
    health: Amount | None
    """equity / requirement; None where nothing is required."""
    venue_liquidatable: bool | None
    """The venue contract's own verdict."""
    own_checks: tuple[OwnCheckLine, ...]
    model_vs_venue_rel_error: Amount | None
    distance_to_liquidation: dict[str, Amount | None]
    """Per factor the signed smallest move in percent; None where no move does it."""
    ttl_s: Amount | None
    """Time to liquidation at the model's confidence; None where beyond the last horizon or not known."""
    ttl_exceeds_s: Amount | None
    """Set instead of ``ttl_s`` where the account outlasts every horizon looked at."""
    ttf_s: Amount | None
    """Time to fund from the portfolio's other accounts; None where not enough can arrive, or not known."""
    ttf_reachable: bool | None
    """Whether enough can arrive at all; None where that is not known or nothing is required."""
    rescue_probability: Amount | None
    liquidity_coverage: Amount | None
    rescue_gap_usd: Amount | None
    local_floor_usd: Amount | None
    start_bridging_health: Amount | None
    movable_usd: Amount | None
    withdrawable_usd: Amount | None
    liquidation_prices: dict[str, LiquidationPrice] = {}
    breach_probability: dict[str, Amount] = {}
    """Within ``1h`` and ``24h``; empty where nothing is required or it is not known."""
    liquidation_cost_usd: Amount | None = None
    """What the venue's rule takes when the account becomes liquidatable."""
    reverse_stress: ReverseStressLine | None = None


class PriceBand(Frozen):
    """The reconciled price of a position's asset."""

    low: Amount | None
    mid: Amount | None
    high: Amount | None
    status: str


class PositionLine(Frozen):
    """One leg."""

    account: str
    chain: str
    venue: str
    sub_account: str
    kind: str
    asset: str
    label: str
    risk_factor: str | None
    size: Amount
    price: PriceBand
    venue_price_usd: Amount | None
    value_usd: Amount | None
    details: dict[str, str]


class MarginReport(Frozen):
    """The whole answer for one portfolio at one cut."""

    id: str
    portfolio: PortfolioRef
    as_of: AsOf
    data_quality: DataQuality
    model: ModelRef
    inputs_hash: str
    """Identity of everything the figures were made from: blocks, positions, prices, parameters."""
    code_version: str
    status: Status
    status_reason: str
    binding_account: str | None
    net_value_usd: Amount | None
    equity_usd: Amount | None
    surplus_usd: Amount | None
    venue_maintenance_usd: Amount | None
    isolated_buffer_usd: Amount | None
    netted_buffer_usd: Amount | None
    unified_buffer_usd: Amount | None
    bridge_latency_addon_usd: Amount | None
    stress_floor_usd: Amount | None
    addons: AddOns
    mm_requirement_usd: Amount | None
    im_requirement_usd: Amount | None
    mm_excess_usd: Amount | None
    margin_ratio: Amount | None
    capital_freed_usd: Amount | None
    efficiency: Efficiency
    worst_scenario: WorstScenario | None
    greeks: Greeks | None
    unified_liquidation: dict[str, UnifiedPrice] = {}
    reverse_stress: ReverseStressLine | None = None
    comparison: Comparison | None = None
    no_route: tuple[str, ...] = ()
    """Pairs of the portfolio's chains that no open bridge joins: money cannot move between them, g = 1."""
    venues: tuple[VenueLine, ...]
    positions: tuple[PositionLine, ...]
