"""From one position, its prices and what the venue says of it to the venue account, in 1e-30 dollars. No IO."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

from chains.accounts import OwnCheck, Position, PositionKind, VenueAccount, VenueId
from chains.caip import AccountId
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Fixed, Perp, Spot
from chains.types import BlockRef

VENUE = VenueId("gmx-v2")
FLOAT = 10**30
PRECISION = 80


@dataclass(frozen=True, slots=True)
class Trade:
    """A position as the venue stores it. Size in dollars is what it was entered for."""

    is_long: bool
    size_usd: int
    size_tokens: int
    collateral: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What its market and its tokens are at the block. Prices: 1e-30 dollars per smallest unit."""

    market: str
    """Address of the market token."""
    index: AssetInfo
    token: AssetInfo
    """The collateral."""
    index_price: int
    token_price: int
    least_usd: int
    factor: int
    """Minimal collateral for liquidation, share of the size."""
    impact_bound: int
    """Most that a negative impact may take, share of the size."""


@dataclass(frozen=True, slots=True)
class Own:
    """What the venue's reader says of the position."""

    cost: int
    """Fees and costs of closing, raw collateral."""
    impact_usd: int
    result_usd: int
    uncapped_result_usd: int
    remaining_usd: int
    least_for_size_usd: int
    liquidatable: bool


def decode_trade(account: AccountId, trade: Trade, terms: Terms, own: Own, at: BlockRef) -> VenueAccount:
    """Venue account of one position."""
    result = trade.size_tokens * terms.index_price - trade.size_usd
    result = result if trade.is_long else -result
    impact = max(min(0, own.impact_usd), -(trade.size_usd * terms.impact_bound // FLOAT))
    withheld = min(0, own.result_usd - own.uncapped_result_usd)
    remaining = (trade.collateral - own.cost) * terms.token_price + result + withheld + impact
    for_size = trade.size_usd * terms.factor // FLOAT
    with localcontext(prec=PRECISION):
        return VenueAccount(
            account=account,
            venue=VENUE,
            sub_account=name_of(trade, terms),
            at=at,
            positions=_positions(trade, terms, own),
            exposures=_exposures(trade, terms, own, (withheld, impact), max(terms.least_usd, for_size)),
            equity_usd=usd(remaining),
            mm_requirement_usd=usd(max(terms.least_usd, for_size)),
            checks=(
                OwnCheck("result_usd", usd(result), usd(own.uncapped_result_usd)),
                OwnCheck("remaining_collateral_usd", usd(remaining), usd(own.remaining_usd)),
                OwnCheck("least_collateral_for_size_usd", usd(for_size), usd(own.least_for_size_usd)),
            ),
            liquidatable=own.liquidatable,
            degraded=tuple(_degraded(own, trade, terms)),
        )


def name_of(trade: Trade, terms: Terms) -> str:
    """Unique among the positions of an account: market, collateral and side."""
    side = "long" if trade.is_long else "short"
    return f"{terms.market[:10].lower()}-{terms.token.symbol}-{side}"


def usd(raw: int) -> Decimal:
    """1e-30 dollars as dollars."""
    return Decimal(raw).scaleb(-30)


def whole_price(price: int, info: AssetInfo) -> Decimal:
    """Dollars per whole token."""
    return Decimal(price).scaleb(info.decimals - 30)


def _degraded(own: Own, trade: Trade, terms: Terms) -> list[str]:
    if own.result_usd == own.uncapped_result_usd:
        return []
    capped = f"{usd(own.uncapped_result_usd):.2f} USD is capped at {usd(own.result_usd):.2f}"
    return [f"{VENUE}: {name_of(trade, terms)}: the profit of {capped} by the pool"]


def _exposures(trade: Trade, terms: Terms, own: Own, lost: tuple[int, int], needed: int) -> tuple[Exposure, ...]:
    """``lost``: profit that the pool withholds, and price impact; the second is no part of the value."""
    size = Decimal(trade.size_tokens).scaleb(-terms.index.decimals) * (1 if trade.is_long else -1)
    entered = usd(trade.size_usd) * (-1 if trade.is_long else 1)
    collateral = Decimal(trade.collateral - own.cost).scaleb(-terms.token.decimals)
    perp = Perp(
        terms.index.asset, f"{VENUE}:{terms.market[:10].lower()}", whole_price(terms.index_price, terms.index)
    )
    token = Spot(terms.token.asset, whole_price(terms.token_price, terms.token))
    return (
        Exposure(perp, value=size, equity=size),
        Exposure(token, value=collateral, equity=collateral),
        Exposure(Fixed(), value=entered + usd(lost[0]), equity=entered + usd(sum(lost)), requirement=usd(needed)),
    )


def _positions(trade: Trade, terms: Terms, own: Own) -> tuple[Position, ...]:
    side, sign = ("long", 1) if trade.is_long else ("short", -1)
    details = {
        "market": terms.market,
        "entered_usd": f"{usd(trade.size_usd):.6f}",
        "impact_usd": f"{usd(own.impact_usd):.6f}",
        "costs": f"{Decimal(own.cost).scaleb(-terms.token.decimals):f} {terms.token.symbol}",
        "price": "Chainlink reference of the venue; keepers execute at signed prices",
    }
    return (
        Position(
            PositionKind.PERP,
            terms.index.asset,
            f"{terms.index.symbol}-PERP {side}",
            sign * trade.size_tokens,
            terms.index.decimals,
            whole_price(terms.index_price, terms.index),
            details,
        ),
        Position(
            PositionKind.COLLATERAL,
            terms.token.asset,
            f"{terms.token.symbol} collateral",
            trade.collateral,
            terms.token.decimals,
            whole_price(terms.token_price, terms.token),
            {"market": terms.market},
        ),
    )
