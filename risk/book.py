"""One account as the margin models of option venues see it: markets, expiries, collateral, feeds.

All amounts are floats; prices in USD, confidences in [0, 1], years of 365 days. Objects are checked when built.
"""

from dataclasses import dataclass, field

import numpy as np

from risk.checks import F64, Bool, as_flags, as_floats, between, distinct, number
from risk.errors import RiskInputError

SETTLEMENT_S = 1_800.0
"""Length of the settlement average: within it the forward is partly fixed."""
MOST = 1e30
"""Amounts beyond it are a unit error."""


@dataclass(frozen=True, slots=True, eq=False)
class Expiry:
    """Options of one expiry and the feeds they are priced from."""

    expiry_s: float
    """Seconds to expiry, >= 0; 0 = at intrinsic value."""
    forward: float
    rate: float
    """Per year, continuously compounded."""
    strike: F64
    is_call: Bool
    amount: F64
    """Contracts, negative = short."""
    vol: F64
    """Per year, >= 0; from a surface (``svi``) or the venue."""
    forward_confidence: float = 1.0
    rate_confidence: float = 1.0
    vol_confidence: float = 1.0
    settled_forward: float | None = None
    """USD of the forward already fixed by the settlement average; None = the even share F·(1800 - T)/1800."""

    def __post_init__(self) -> None:
        n = len(np.atleast_1d(np.asarray(self.strike)))
        put = object.__setattr__
        put(self, "is_call", as_flags("expiry.is_call", self.is_call, (n,)))
        for name in ("strike", "amount", "vol"):
            put(self, name, as_floats(f"expiry.{name}", getattr(self, name), (n,)))
        between("expiry.strike", self.strike, 0.0, MOST, above=True)
        between("expiry.amount", self.amount, -MOST, MOST)
        between("expiry.vol", self.vol, 0.0, 1e6)
        number("expiry.expiry_s", self.expiry_s, 0.0, 1e10)
        number("expiry.forward", self.forward, 1e-12, MOST)
        number("expiry.rate", self.rate, -100.0, 100.0)
        for name in ("forward_confidence", "rate_confidence", "vol_confidence"):
            number(f"expiry.{name}", getattr(self, name), 0.0, 1.0)
        if self.settled_forward is not None:
            number("expiry.settled_forward", self.settled_forward, 0.0, MOST)

    def forward_parts(self) -> tuple[float, float]:
        """(moving, fixed) USD of the forward: within the last half hour only the moving part is shocked."""
        if self.settled_forward is not None:
            return max(self.forward - self.settled_forward, 0.0), self.settled_forward
        moving = min(self.expiry_s / SETTLEMENT_S, 1.0)
        return self.forward * moving, self.forward * (1.0 - moving)

    @property
    def confidence(self) -> float:
        """Least confidence of the expiry's own feeds."""
        return min(self.forward_confidence, self.rate_confidence, self.vol_confidence)


@dataclass(frozen=True, slots=True)
class Market:
    """One underlying: spot, perps, base and options."""

    name: str
    spot: float
    spot_confidence: float = 1.0
    perp_amount: float = 0.0
    perp_price: float = 0.0
    perp_confidence: float = 1.0
    unrealised_pnl_usd: float = 0.0
    funding_usd: float = 0.0
    """Funding earned and not yet paid; negative = owed."""
    base_amount: float = 0.0
    """Units of the underlying itself held as collateral (models that treat it apart), >= 0."""
    expiries: tuple[Expiry, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise RiskInputError("market.name: is empty")
        number("market.spot", self.spot, 1e-18, MOST)
        number("market.perp_price", self.perp_price, 0.0, MOST)
        if self.perp_amount and self.perp_price <= 0.0:
            raise RiskInputError(
                f"market.perp_price: {self.perp_price} must be above 0 where perp_amount is not 0"
            )
        number("market.base_amount", self.base_amount, 0.0, MOST)
        for name in ("perp_amount", "unrealised_pnl_usd", "funding_usd"):
            number(f"market.{name}", getattr(self, name), -MOST, MOST)
        for name in ("spot_confidence", "perp_confidence"):
            number(f"market.{name}", getattr(self, name), 0.0, 1.0)

    @property
    def confidence(self) -> float:
        """Least of the spot feed's and, where perps are held, the perp feed's confidence."""
        return min(self.spot_confidence, self.perp_confidence) if self.perp_amount else self.spot_confidence


@dataclass(frozen=True, slots=True)
class Collateral:
    """A token held as collateral."""

    name: str
    amount: float
    price: float
    confidence: float
    mm_haircut: float
    im_haircut: float
    """Haircut of the initial requirement on top of ``mm_haircut``."""
    is_risk_cancelling: bool
    """Moves with the market's spot in the scenarios; else its value is held fixed and only cut."""

    def __post_init__(self) -> None:
        number("collateral.amount", self.amount, 0.0, MOST)
        number("collateral.price", self.price, 0.0, MOST)
        for name in ("confidence", "mm_haircut", "im_haircut"):
            number(f"collateral.{name}", getattr(self, name), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Book:
    """Everything in one account."""

    cash_usd: float = 0.0
    markets: tuple[Market, ...] = ()
    collaterals: tuple[Collateral, ...] = ()
    stable_price: float = 1.0
    """USD price of the coin that the account settles in."""
    reserved_cash_usd: float = field(default=0.0)
    """Cash held back for bids on the account while it is auctioned."""

    def __post_init__(self) -> None:
        number("book.cash_usd", self.cash_usd, -MOST, MOST)
        number("book.stable_price", self.stable_price, 1e-6, 1e3)
        number("book.reserved_cash_usd", self.reserved_cash_usd, 0.0, MOST)
        distinct("book.markets", [market.name for market in self.markets])
        distinct("book.collaterals", [held.name for held in self.collaterals])
