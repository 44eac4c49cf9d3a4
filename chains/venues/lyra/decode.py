"""From the ints of Lyra's contracts to venue accounts; no IO.

Each short is a venue account of its own: Lyra isolates collateral by position. The longs of an owner in a market
share one account, which nobody can liquidate. Quote (sUSD) counts at par in E and as itself in V.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from chains.accounts import Closing, Liquidation, OwnCheck, Position, PositionKind, VenueAccount, VenueId
from chains.caip import AccountId, AssetId
from chains.instruments import Exposure, Fixed, Option, ShortOptionFloor, Spot
from chains.types import BlockRef
from chains.venues.lyra.fixed import UNIT
from chains.venues.lyra.rule import MinCollateralParams, OptionType, min_collateral, option_prices, shock_vol
from chains.venues.lyra.units import date, exact, text
from chains.venues.lyra.withdrawal import loose, tied

VENUE: Final = VenueId("lyra-v1")
ACTIVE: Final = 1
"""OptionToken.PositionState of a live position."""
_DECIMALS: Final = 18
_PAR: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What all positions of a market share at the block."""

    name: str
    base: AssetId
    quote: AssetId
    spot: int
    """Wad, by the venue's SynthetixAdapter."""
    rate: int
    """Wad per year."""
    params: MinCollateralParams
    penalty: int
    """Share of the collateral left after closing that a liquidation takes, wad."""
    least_penalty: int
    """Smallest penalty, quote wad."""

    @property
    def spot_usd(self) -> Decimal:
        """Spot price."""
        return exact(self.spot)


@dataclass(frozen=True, slots=True)
class StrikeTerms:
    """A strike and its board."""

    id: int
    board: int
    price: int
    skew: int
    iv: int
    expiry: int
    frozen: bool = False
    settled_price: int = 0
    """Spot at settlement, wad; 0 while the board is not settled."""
    base_ratio: int = 0
    """Share of a base-collateralised short's amount that settlement took, wad."""

    @property
    def vol(self) -> int:
        """Implied volatility of the strike, wad: board iv x skew, as OptionGreekCache multiplies."""
        return self.iv * self.skew // UNIT


class RawPosition(NamedTuple):
    """OptionToken.OptionPosition."""

    id: int
    strike: int
    kind: OptionType
    amount: int
    collateral: int
    state: int


@dataclass(frozen=True, slots=True)
class Answers:
    """The contracts' own figures for a position."""

    call: int
    put: int
    can_liquidate: bool
    min_collateral: int | None
    """None for longs."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A position with everything that values it; ``answers`` is None once its board is settled."""

    raw: RawPosition
    strike: StrikeTerms
    answers: Answers | None


def decode(account: AccountId, at: BlockRef, market: MarketTerms, legs: Sequence[Leg]) -> list[VenueAccount]:
    """Venue accounts of one owner in one market: one for each short, one for all longs."""
    shorts = [leg for leg in legs if leg.raw.kind.is_short]
    longs = [leg for leg in legs if not leg.raw.kind.is_short]
    accounts = [decode_short(account, at, market, leg) for leg in shorts]
    return [*accounts, decode_longs(account, at, market, longs)] if longs else accounts


def decode_short(account: AccountId, at: BlockRef, market: MarketTerms, leg: Leg) -> VenueAccount:
    """Account of one short: E = collateral, k·MM = minimum collateral, S < 0 iff ``canLiquidate``."""
    if leg.answers is None:
        return _settled_short(account, at, market, leg)
    raw, seconds = leg.raw, max(0, leg.strike.expiry - at.timestamp)
    floor = min_collateral(
        market.params, raw.kind, leg.strike.price, seconds, market.spot, raw.amount, market.rate
    )
    scale, decimals = (market.spot, 2 * _DECIMALS) if raw.kind.in_base else (1, _DECIMALS)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=f"{market.name}-{raw.id}",
        at=at,
        positions=(_option_position(at, market, leg, floor), _collateral_position(market, raw)),
        exposures=(*_held(market, raw.kind, raw.collateral), *_short_exposures(at, market, leg)),
        equity_usd=exact(raw.collateral * scale, decimals),
        mm_requirement_usd=exact(floor * scale, decimals),
        checks=(_floor_check(leg.answers, floor), _price_check(at, market, leg, leg.answers)),
        liquidatable=leg.answers.can_liquidate,
        degraded=_expired(at, [leg]),
        withdrawable_usd=exact(max(0, raw.collateral - floor) * scale, decimals),
        withdrawal=tied(_token(market, raw.kind), exact(raw.collateral), in_base=raw.kind.in_base),
        liquidation=_liquidation(at, market, leg, exact(floor * scale, decimals)),
    )


def _liquidation(at: BlockRef, market: MarketTerms, leg: Leg, required: Decimal) -> Liquidation:
    """Share of what closing leaves of the smallest collateral (OptionToken.getLiquidationFees)."""
    closing = exact(_price(at, market, leg) * leg.raw.amount, 2 * _DECIMALS)
    return Liquidation(
        closing=Closing.ALL,
        base_usd=max(Decimal(0), required - closing),
        ratio=exact(market.penalty),
        least_usd=exact(market.least_penalty),
    )


def decode_longs(account: AccountId, at: BlockRef, market: MarketTerms, legs: Sequence[Leg]) -> VenueAccount:
    """Account of all longs of an owner: E = V = mark value, no requirement."""
    live = [(leg, leg.answers) for leg in legs if leg.answers is not None]
    paid = [leg for leg in legs if leg.answers is None]
    values = [leg.raw.amount * _price(at, market, leg) for leg, _ in live]
    payoffs = [_payoff(leg) for leg in paid]
    marks = tuple(
        Exposure(_option(market, leg), value=exact(leg.raw.amount), equity=exact(leg.raw.amount))
        for leg, _ in live
    )
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=f"{market.name}-long",
        at=at,
        positions=(
            *(_option_position(at, market, leg, None) for leg, _ in live),
            *(_claim(market, leg, payoff) for leg, payoff in zip(paid, payoffs, strict=True)),
        ),
        exposures=(*marks, *(_held(market, OptionType.LONG_CALL, sum(payoffs)) if paid else ())),
        equity_usd=exact(sum(values) + sum(payoffs) * UNIT, 2 * _DECIMALS),
        mm_requirement_usd=exact(0),
        checks=tuple(_price_check(at, market, leg, answers) for leg, answers in live),
        liquidatable=any(answers.can_liquidate for _, answers in live),
        degraded=_expired(at, [leg for leg, _ in live]),
        withdrawable_usd=exact(sum(payoffs)),
        withdrawal=loose(_token(market, OptionType.LONG_CALL), exact(sum(payoffs))),
    )


def _settled_short(account: AccountId, at: BlockRef, market: MarketTerms, leg: Leg) -> VenueAccount:
    """After settlement the rest of the collateral only waits to be claimed; nothing moves it but its own price."""
    raw = leg.raw
    rest = max(0, raw.collateral - _payoff(leg))
    usd = exact(rest * market.spot, 2 * _DECIMALS) if raw.kind.in_base else exact(rest)
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account=f"{market.name}-{raw.id}",
        at=at,
        positions=(_claim(market, leg, rest),),
        exposures=_held(market, raw.kind, rest),
        equity_usd=usd,
        mm_requirement_usd=exact(0),
        checks=(),
        liquidatable=False,
        withdrawable_usd=usd,
        withdrawal=loose(_token(market, raw.kind), exact(rest)),
    )


def _payoff(leg: Leg) -> int:
    """What a settled option paid (wad): in base for base-collateralised shorts, else in quote."""
    raw, strike = leg.raw, leg.strike
    if raw.kind.in_base:
        return strike.base_ratio * raw.amount // UNIT
    inside = strike.settled_price - strike.price
    return max(0, inside if raw.kind.is_call else -inside) * raw.amount // UNIT


def _token(market: MarketTerms, kind: OptionType) -> Spot:
    return Spot(market.base, market.spot_usd) if kind.in_base else Spot(market.quote, _PAR)


def _held(market: MarketTerms, kind: OptionType, amount: int) -> tuple[Exposure, ...]:
    """Tokens in the position: base as itself; quote at par in E, as the token that it is in V."""
    units = exact(amount)
    if kind.in_base:
        return (Exposure(_token(market, kind), value=units, equity=units),)
    return Exposure(_token(market, kind), value=units), Exposure(Fixed(), equity=units)


def _short_exposures(at: BlockRef, market: MarketTerms, leg: Leg) -> tuple[Exposure, Exposure]:
    raw, params, option = leg.raw, market.params, _option(market, leg)
    amount, in_base, is_put = exact(raw.amount), raw.kind.in_base, not raw.kind.is_call
    floor = ShortOptionFloor(
        option=option,
        amount=amount,
        shock_vol=exact(shock_vol(params, max(0, leg.strike.expiry - at.timestamp))),
        spot_shock=exact(params.spot_shock(raw.kind)),
        static_min_usd=exact(0 if in_base else params.min_static_quote),
        static_min_base=exact(params.min_static_base if in_base else 0),
        full_collateral_usd=exact(raw.amount * leg.strike.price // UNIT) if is_put else None,
        full_collateral_base=amount if in_base else None,
    )
    return Exposure(option, value=-amount), Exposure(floor, requirement=_PAR)


def _option(market: MarketTerms, leg: Leg) -> Option:
    return Option(
        asset=market.base,
        market=f"{VENUE}:{market.name}",
        is_call=leg.raw.kind.is_call,
        strike_usd=exact(leg.strike.price),
        expiry=leg.strike.expiry,
        vol=exact(leg.strike.vol),
        rate=exact(market.rate),
        venue_price_usd=market.spot_usd,
    )


def _price(at: BlockRef, market: MarketTerms, leg: Leg) -> int:
    """Mark of one option, wad: Black-Scholes at the strike's volatility."""
    strike = leg.strike
    seconds = max(0, strike.expiry - at.timestamp)
    call, put = option_prices(seconds, strike.vol, market.spot, strike.price, market.rate)
    return call if leg.raw.kind.is_call else put


def _floor_check(answers: Answers, floor: int) -> OwnCheck:
    if answers.min_collateral is None:
        raise ValueError("min_collateral: the contract's own figure is missing for a short")
    return OwnCheck("min_collateral", exact(floor), exact(answers.min_collateral))


def _price_check(at: BlockRef, market: MarketTerms, leg: Leg, answers: Answers) -> OwnCheck:
    theirs = answers.call if leg.raw.kind.is_call else answers.put
    return OwnCheck(f"option_price_{leg.raw.id}", exact(_price(at, market, leg)), exact(theirs))


def _expired(at: BlockRef, legs: Sequence[Leg]) -> tuple[str, ...]:
    boards = {leg.strike.board: leg.strike.expiry for leg in legs if leg.strike.expiry <= at.timestamp}
    return tuple(
        f"board {board} expired at {date(expiry)} and is not settled: its options still move with spot and cannot"
        " be liquidated"
        for board, expiry in sorted(boards.items())
    )


def _option_position(at: BlockRef, market: MarketTerms, leg: Leg, floor: int | None) -> Position:
    raw = leg.raw
    details = _terms(leg)
    if floor is not None:
        seconds = max(0, leg.strike.expiry - at.timestamp)
        details |= {
            "min_collateral": f"{text(floor)} {'base' if raw.kind.in_base else 'quote'}",
            "shock_vol": text(shock_vol(market.params, seconds)),
        }
    return Position(
        kind=PositionKind.OPTION,
        asset=market.base,
        label=_label(market, leg),
        raw=-raw.amount if raw.kind.is_short else raw.amount,
        decimals=_DECIMALS,
        venue_price_usd=exact(_price(at, market, leg)),
        details=details,
    )


def _terms(leg: Leg) -> dict[str, str]:
    raw, strike = leg.raw, leg.strike
    return {
        "position_id": str(raw.id),
        "type": raw.kind.name.lower(),
        "strike_usd": text(strike.price),
        "expiry": date(strike.expiry),
        "iv": text(strike.vol),
        "board_iv": text(strike.iv),
        "skew": text(strike.skew),
        "board_id": str(strike.board),
        "strike_id": str(raw.strike),
        "board_frozen": str(strike.frozen).lower(),
    }


def _label(market: MarketTerms, leg: Leg) -> str:
    side = "short" if leg.raw.kind.is_short else "long"
    right = "call" if leg.raw.kind.is_call else "put"
    return f"{market.name} {text(leg.strike.price)} {right} {side}, {date(leg.strike.expiry)[:10]}"


def _collateral_position(market: MarketTerms, raw: RawPosition) -> Position:
    return _tokens(market, raw.kind, raw.collateral, f"{market.name}-{raw.id} collateral", {})


def _claim(market: MarketTerms, leg: Leg, amount: int) -> Position:
    details = {**_terms(leg), "settled_price_usd": text(leg.strike.settled_price)}
    return _tokens(market, leg.raw.kind, amount, f"{_label(market, leg)}, settled, to be claimed", details)


def _tokens(market: MarketTerms, kind: OptionType, amount: int, label: str, details: dict[str, str]) -> Position:
    asset, price = (market.base, market.spot_usd) if kind.in_base else (market.quote, _PAR)
    return Position(PositionKind.COLLATERAL, asset, label, amount, _DECIMALS, price, details)
