"""What a margin model must know of one account, as a venue's contracts tell it: holdings, feeds and parameters.

A venue's reader builds it, and compares what the model makes of it with what the venue's manager says. The models
themselves live elsewhere (``risk.models``); readers are given a ``MarginRule`` and never compute one. Money in
Decimal; prices in USD, confidences in [0, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

ZERO = Decimal(0)
ONE = Decimal(1)


class CannotModel(ValueError):
    """The model cannot describe the account, or its parameters lie outside of what the model knows."""


@dataclass(frozen=True, slots=True)
class OptionHeld:
    """Contracts of one option; negative = short."""

    strike_usd: Decimal
    is_call: bool
    amount: Decimal
    vol: Decimal
    """Annualised, by the venue's surface."""


@dataclass(frozen=True, slots=True)
class ExpiryState:
    """Options of one expiry and the feeds that price them."""

    expiry: int
    """Unix seconds."""
    seconds: int
    """To expiry, at the block; 0 once it has passed."""
    forward_moving: Decimal
    """USD of the forward that may still move."""
    forward_fixed: Decimal
    """USD of the forward that the settlement average has fixed already."""
    rate: Decimal
    """Per year, continuously compounded."""
    options: tuple[OptionHeld, ...]
    forward_confidence: Decimal = ONE
    rate_confidence: Decimal = ONE
    vol_confidence: Decimal = ONE

    @property
    def notional_usd(self) -> Decimal:
        """Contracts, longs and shorts alike, times the forward."""
        return sum((abs(one.amount) for one in self.options), ZERO) * (self.forward_moving + self.forward_fixed)


@dataclass(frozen=True, slots=True)
class MarketState:
    """One underlying."""

    name: str
    spot: Decimal
    spot_confidence: Decimal = ONE
    perp_amount: Decimal = ZERO
    perp_price: Decimal = ZERO
    perp_confidence: Decimal = ONE
    perp_result_usd: Decimal = ZERO
    """Unsettled and unrealised result with funding."""
    base_amount: Decimal = ZERO
    expiries: tuple[ExpiryState, ...] = ()


@dataclass(frozen=True, slots=True)
class CollateralState:
    """A token held as collateral under a portfolio model."""

    name: str
    amount: Decimal
    price: Decimal
    confidence: Decimal
    mm_haircut: Decimal
    im_haircut: Decimal
    is_risk_cancelling: bool


@dataclass(frozen=True, slots=True)
class MarginState:
    """One account under one model."""

    model: str
    """Which rule: ``pm2`` or ``standard``."""
    parameters: Mapping[str, object]
    """The rule's parameters by the names of its parameter files (``risk/data``), numbers as Decimal."""
    cash_usd: Decimal
    stable_price: Decimal
    markets: tuple[MarketState, ...]
    collaterals: tuple[CollateralState, ...] = ()

    @property
    def option_notional_usd(self) -> Decimal:
        """Notional of all options."""
        return sum((end.notional_usd for market in self.markets for end in market.expiries), ZERO)


@dataclass(frozen=True, slots=True)
class MarginFigures:
    """What the model makes of it; an excess below 0 is what is missing."""

    mark_usd: Decimal
    maintenance_excess_usd: Decimal
    initial_excess_usd: Decimal


class MarginRule(Protocol):
    """Evaluates a state."""

    def __call__(self, state: MarginState) -> MarginFigures:
        """Figures of the model; raises CannotModel with the reason."""
        ...
