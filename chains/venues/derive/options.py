"""Options under the standard manager as exposures, where its requirement is linear in every state of the world.

Per expiry the manager takes the larger of two sums (``risk.models.standard``): every short on its own, or the
worst payoff at expiry with unpaired calls charged. The larger of sums over a book is no sum over instruments, so
an expiry has exposures only where it is proven which one decides, whatever spot and volatilities do:

    nothing can be lost   No price at expiry gives a negative payoff. The worst payoff is then 0, and shorts on
                          their own never count more than 0:     margin = 0
    naked short calls     No other shorts and no long calls. With C <= F for every call, those on their own give
                          Σ a (C + c S) >= Σ a (F + c S) >= u F Σ a >= worst payoff for all a < 0, where
                          (u - 1) F >= c S:     margin = Σ a (C + c S)
                          c and u are mmCallSpotReq and the unpaired MM scale.

F and S move together, so the condition holds everywhere when it holds now. Any other expiry (short puts, whose own
requirement is the larger of two, and spreads that can lose) has none.
Source of the rule: derivexyz/v2-core, StandardManager.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from chains.deployments import AssetInfo
from chains.instruments import ZERO, Exposure, Option, Spot
from chains.margin_state import CannotModel, ExpiryState, MarginState, MarketState, OptionHeld
from chains.venues.derive.decode import VENUE

SETTLEMENT_S: Final = 1_800
"""Within the settlement average the forward no longer moves with the spot."""


def option_exposures(state: MarginState, assets: Mapping[str, AssetInfo]) -> tuple[Exposure, ...]:
    """Exposures of all options, in E as they are marked; ``assets`` are the underlyings by market.

    Raises CannotModel with the expiry whose requirement is not linear.
    """
    rules: Any = state.parameters["markets"]
    by_market = {rule["market"]: rule for rule in rules}
    found: list[Exposure] = []
    for market in state.markets:
        for end in market.expiries:
            found += _expiry(market, end, by_market[market.name], assets[market.name])
    return tuple(found)


def _expiry(market: MarketState, end: ExpiryState, rule: Mapping[str, Decimal], info: AssetInfo) -> list[Exposure]:
    if end.seconds < SETTLEMENT_S:
        raise CannotModel(f"options of expiry {end.expiry} are being settled")
    shorts = [one for one in end.options if one.amount < 0]
    if never_loses(end.options):
        return [_held(market, end, one, info, one.amount) for one in end.options]
    others = [one for one in end.options if one.amount > 0 and one.is_call]
    if others or not all(one.is_call for one in shorts):
        raise CannotModel(
            f"the requirement of expiry {end.expiry} is the larger of two sums: no instrument says that"
        )
    if (rule["unpaired_mm"] - 1) * end.forward_moving < rule["mm_call_spot"] * market.spot:
        raise CannotModel(f"unpaired calls of expiry {end.expiry} may need more than each short call on its own")
    needed = rule["mm_call_spot"] * sum((-one.amount for one in shorts), ZERO)
    return [
        *(_held(market, end, one, info, max(one.amount, ZERO)) for one in end.options),
        Exposure(Spot(info.asset, market.spot), requirement=needed),
    ]


def _held(market: MarketState, end: ExpiryState, one: OptionHeld, info: AssetInfo, needed: Decimal) -> Exposure:
    """The manager prices on the whole forward with a discount of 1: an underlying at the forward, rate 0."""
    option = Option(
        asset=info.asset,
        market=f"{VENUE}:{market.name}",
        is_call=one.is_call,
        strike_usd=one.strike_usd,
        expiry=end.expiry,
        vol=one.vol,
        rate=ZERO,
        venue_price_usd=end.forward_moving,
    )
    return Exposure(option, value=one.amount, equity=one.amount, requirement=needed)


def never_loses(options: Sequence[OptionHeld]) -> bool:
    """Whether no price at expiry gives a negative payoff: it is linear between 0, the strikes and infinity."""
    if sum((one.amount for one in options if one.is_call), ZERO) < 0:
        return False
    prices = {ZERO, *(one.strike_usd for one in options)}
    return all(sum((_payoff(one, price) for one in options), ZERO) >= 0 for price in prices)


def _payoff(one: OptionHeld, price: Decimal) -> Decimal:
    gain = price - one.strike_usd if one.is_call else one.strike_usd - price
    return one.amount * max(gain, ZERO)
