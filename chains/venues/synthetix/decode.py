"""From the integers of one account in one market to its ``VenueAccount``; no IO."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from chains.accounts import (
    Closing,
    Liquidation,
    OwnCheck,
    Pocket,
    Position,
    PositionKind,
    VenueAccount,
    VenueId,
    Withdrawal,
)
from chains.caip import AccountId, AssetId
from chains.instruments import ClippedFee, Exposure, Fixed, Perp, Spot
from chains.types import BlockRef
from chains.venues.synthetix import rules
from chains.venues.synthetix.rules import UNIT, Funding, Holding, Market, Terms

VENUE: Final = VenueId("synthetix-perps-v2")
DECIMALS: Final = 18
PAR: Final = Decimal(1)
NO_CAP: Final = Decimal(10) ** 15
"""Dollars beyond any account."""
LAST_WEI: Final = 1
"""The contract liquidates at equality too, so one wei more is required: S < 0 if and only if it liquidates."""


@dataclass(frozen=True, slots=True)
class Theirs:
    """The contract's own figures for the account, 18 decimals."""

    remaining: int
    accessible: int
    notional: int
    accrued_funding: int
    liquidation_price: int
    liquidation_fee: int
    """0 while the account cannot be liquidated."""
    funding_rate: int
    can_liquidate: bool
    flagged: bool
    pending_size: int
    """Size of a delayed order that waits for execution; it locks the account."""


@dataclass(frozen=True, slots=True)
class Assets:
    """What the legs are legs of."""

    susd: AssetId
    base: AssetId
    base_known: bool


@dataclass(frozen=True, slots=True)
class MarketAccount:
    """Everything read of one account in one market."""

    account: AccountId
    at: BlockRef
    market: Market
    terms: Terms
    held: Holding
    theirs: Theirs
    assets: Assets

    @property
    def accrual(self) -> Funding:
        """Funding of the market at the block."""
        return rules.funding(self.market, self.terms, self.at.timestamp)

    @property
    def equity(self) -> int:
        """Equity without the floor at zero."""
        return rules.equity(self.held, self.accrual, self.market.price)

    @property
    def lost(self) -> bool:
        """Nothing is left, or nothing will be.

        A flagged position can only be liquidated, even after a recovery, and its whole equity goes to keepers and
        the fee pool. An account below zero owes nothing.
        """
        return self.theirs.flagged or self.equity <= 0

    @property
    def requirement(self) -> int:
        """k·MM; 0 without a position."""
        size, price = self.held.size, self.market.price
        if size == 0:
            return 0
        base = rules.liquidation_requirement(size, price, self.terms)
        return base + rules.liquidation_premium(size, price, self.terms) + LAST_WEI


def scaled(raw: int, decimals: int = DECIMALS) -> Decimal:
    """Exact Decimal of a raw integer, whatever the precision of the context."""
    return Decimal(f"{raw}E-{decimals}")


def decode_account(read: MarketAccount) -> VenueAccount:
    """The account by the venue's own rule: E, k·MM, exposures, checks and verdict."""
    return VenueAccount(
        account=read.account,
        venue=VENUE,
        sub_account=read.market.key,
        at=read.at,
        positions=tuple(_positions(read)),
        exposures=tuple(_exposures(read)),
        equity_usd=Decimal(0) if read.lost else scaled(read.equity),
        mm_requirement_usd=scaled(read.requirement),
        checks=tuple(_checks(read)),
        liquidatable=_verdict(read),
        degraded=tuple(_degraded(read)),
        withdrawable_usd=scaled(_withdrawable(read)),
        withdrawal=_withdrawal(read),
        carry_usd_per_day=scaled(_carry(read)),
        liquidation=_liquidation(read),
    )


def _verdict(read: MarketAccount) -> bool | None:
    """None at an invalid price: canLiquidate then answers false without looking at the account."""
    if read.theirs.flagged:
        return True
    return None if read.market.price_invalid and read.held.size else read.theirs.can_liquidate


def _degraded(read: MarketAccount) -> Iterator[str]:
    if read.held.size == 0:
        return
    if read.market.price_invalid:
        price = f"{scaled(read.market.price):f}"
        yield f"{read.market.key}: the venue calls its own price {price} invalid (stale, flagged or jumped)"
    if not read.assets.base_known:
        yield f"{read.market.key}: base asset {read.market.base_asset} is not registered on {read.at.chain}"


def _locked(read: MarketAccount) -> bool:
    theirs, market = read.theirs, read.market
    return theirs.flagged or bool(theirs.pending_size) or market.price_invalid or not market.active


def _withdrawable(read: MarketAccount) -> int:
    """What transferMargin would pay out now: it also refuses to come within a wei of liquidation."""
    if _locked(read):
        return 0
    market = read.market
    accessible = rules.accessible(read.held, read.accrual, market.price, read.terms)
    return max(0, min(accessible, read.equity - read.requirement))


def _withdrawal(read: MarketAccount) -> Withdrawal:
    """The same at any price: leverage with its smallest initial amount, and liquidation, both bind."""
    if _locked(read) or read.lost:
        return Withdrawal(())
    market, held, terms = read.market, read.held, read.terms
    most = Decimal(10) ** 12 if held.size else scaled(read.equity)
    pocket = Pocket(Spot(read.assets.susd, PAR), most, Fixed(), Decimal(1))
    if held.size == 0:
        return Withdrawal((pocket,))
    perp = Perp(read.assets.base, f"{VENUE}:{market.key}", scaled(market.price))
    share = Decimal(UNIT) / (terms.max_leverage - rules.MILLI)
    initial = ClippedFee(perp, scaled(abs(held.size)), share, scaled(terms.min_initial), NO_CAP)
    equity = (Exposure(e.instrument, equity=e.equity) for e in _exposures(read) if e.equity)
    locked = (Exposure(initial, requirement=Decimal(1)), Exposure(Fixed(), requirement=scaled(rules.MILLI)))
    return Withdrawal((pocket,), by_surplus=True, bounds=((*equity, *locked),))


def _liquidation(read: MarketAccount) -> Liquidation | None:
    """All that is left goes to keepers and the fee pool: at first the requirement (_liquidatePosition)."""
    if not read.requirement:
        return None
    return Liquidation(Closing.ALL, scaled(read.requirement), Decimal(1))


def _carry(read: MarketAccount) -> int:
    return 0 if read.lost else rules.daily_cost(read.held, read.accrual, read.market.price)


def _exposures(read: MarketAccount) -> Iterator[Exposure]:
    """Behaviour under scenarios.

    equity(p) = [posted - size·last + size·(recorded funding)] + size·(1 + unrecorded funding)·p is linear in the
    price, the premium and the buffer are linear in it too, and only the flagger's fee is clipped. V is today's
    remaining sUSD at sUSD's own price plus the change of the perp from here on.
    """
    held, market, terms, accrual = read.held, read.market, read.terms, read.accrual
    susd, worth = Spot(read.assets.susd, PAR), Decimal(0) if read.lost else scaled(read.equity)
    if held.size == 0:
        yield Exposure(susd, value=worth)
        yield Exposure(Fixed(), equity=worth)
        return
    price = scaled(market.price)
    perp = Perp(read.assets.base, f"{VENUE}:{market.key}", price)
    recorded = held.size * (market.funding_entry - held.funding_entry)
    flat = scaled(held.posted * UNIT - held.size * held.last_price + recorded, 36)
    per_price = scaled(held.size * (UNIT + accrual.per_price), 36)
    at_price = scaled(held.size * (UNIT + accrual.per_price) * market.price, 54)
    alive = 0 if read.lost else 1
    if alive:
        yield Exposure(susd, value=worth)
    flat_fees = scaled(terms.keeper_fee + LAST_WEI)
    yield Exposure(Fixed(), value=-at_price * alive, equity=flat * alive, requirement=flat_fees)
    share = _requirement_share(abs(held.size), terms)
    yield Exposure(perp, value=per_price * alive, equity=per_price * alive, requirement=share)
    fee_max = max(terms.fee_max, terms.fee_min)  # the contract applies the smallest fee last
    bounds = (scaled(terms.fee_min), scaled(fee_max))
    yield Exposure(
        ClippedFee(perp, scaled(abs(held.size)), scaled(terms.fee_ratio), *bounds), requirement=Decimal(1)
    )


def _requirement_share(size: int, terms: Terms) -> Decimal:
    """Requirement per dollar of price, in base units: size x (buffer + size / skew scale x multiplier)."""
    buffer = size * terms.buffer_ratio
    premium = size * rules.over(size, terms.skew_scale) * terms.premium_multiplier
    return scaled(buffer * UNIT + premium, 54)


def _checks(read: MarketAccount) -> Iterator[OwnCheck]:
    """Our replication beside the contract's answer; exact, hence no rounding allowance."""
    held, price, terms, accrual, theirs = read.held, read.market.price, read.terms, read.accrual, read.theirs
    liquidatable = not read.market.price_invalid and rules.can_liquidate(held, accrual, price, terms)
    fee = rules.liquidation_fee(held.size, price, terms) if liquidatable else 0
    yield from (
        OwnCheck(name, scaled(ours), scaled(answer))
        for name, ours, answer in (
            ("remainingMargin", max(0, read.equity), theirs.remaining),
            ("accessibleMargin", rules.accessible(held, accrual, price, terms), theirs.accessible),
            ("notionalValue", rules.notional(held, price), theirs.notional),
            ("accruedFunding", rules.accrued_funding(held, accrual), theirs.accrued_funding),
            ("liquidationPrice", rules.liquidation_price(held, accrual, price, terms), theirs.liquidation_price),
            ("liquidationFee", fee, theirs.liquidation_fee),
            ("currentFundingRate", accrual.rate, theirs.funding_rate),
        )
    )
    yield OwnCheck("canLiquidate", Decimal(int(liquidatable)), Decimal(int(theirs.can_liquidate)))


def _positions(read: MarketAccount) -> Iterator[Position]:
    state = dict(_state(read))
    label = f"sUSD in {read.market.key}"
    kind, posted = PositionKind.COLLATERAL, read.held.posted
    yield Position(kind, read.assets.susd, label, posted, DECIMALS, PAR, state)
    if read.held.size == 0:
        return
    held, price, accrual = read.held, read.market.price, read.accrual
    terms = {
        "entry_price_usd": held.last_price,
        "notional_usd": rules.notional(held, price),
        "profit_loss_usd": rules.profit_loss(held, price),
        "accrued_funding_usd": rules.accrued_funding(held, accrual),
        "liquidation_price_usd": rules.liquidation_price(held, accrual, price, read.terms),
        "funding_rate_per_day": accrual.rate,
        "funding_velocity_per_day2": accrual.velocity,
        "funding_cost_usd_per_day": rules.daily_cost(held, accrual, price),
    }
    yield Position(
        kind=PositionKind.PERP,
        asset=read.assets.base,
        label=f"{read.market.key} {'long' if held.size > 0 else 'short'}",
        raw=held.size,
        decimals=DECIMALS,
        venue_price_usd=scaled(price),
        details={name: f"{scaled(value):f}" for name, value in terms.items()} | state,
    )


def _state(read: MarketAccount) -> Iterator[tuple[str, str]]:
    """The market's contract, and modes that forbid things, said only where they apply."""
    if read.market.contract:
        yield "contract", read.market.contract
    if read.theirs.flagged:
        yield "flagged", "only liquidation is possible"
    if read.theirs.pending_size:
        yield "pending_order_size", f"{scaled(read.theirs.pending_size):f}"
    if not read.market.active:
        yield "suspended", "no order, transfer or liquidation goes through"
