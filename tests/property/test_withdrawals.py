"""The venues' withdrawal rules at any price: what the rule foretells is what the venue then lets out."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext

from hypothesis import given, settings
from hypothesis import strategies as st

from chains.accounts import VenueAccount
from chains.caip import AssetId
from chains.venues.aave import account as aave
from chains.venues.aave.legs import decode_legs, sum_up
from chains.venues.aave.market import Market as AaveMarket
from chains.venues.aave.market import UserState
from chains.venues.aave.version import V36
from chains.venues.lyra.decode import decode_short
from chains.venues.lyra.rule import OptionType
from chains.venues.morpho.decode import decode_loan, decode_supply
from chains.venues.morpho.rule import Holding
from chains.venues.perp.decode import decode_account as decode_perp
from chains.venues.perp.rule import AccountState
from chains.venues.synthetix.decode import decode_account as decode_synthetix
from tests.kit import lyra, perp
from tests.kit.perp import PARAMS
from tests.kit.synthetix import a_read, wei
from tests.kit.withdrawals import let_out, taken
from tests.property import test_aave_account as of_aave
from tests.property import test_morpho as of_morpho
from tests.property.test_perp import states

CENT = Decimal("0.01")
FACTORS = st.integers(30, 300).map(lambda percent: Decimal(percent) / 100)
many = settings(max_examples=200, deadline=None)


def only(asset: AssetId, factor: Decimal) -> Callable[[AssetId], Decimal]:
    return lambda one: factor if one == asset else Decimal(1)


def near(ours: Decimal, theirs: Decimal | None, floor: Decimal = Decimal("1e-5")) -> bool:
    assert theirs is not None
    return abs(ours - theirs) <= floor + Decimal("1e-9") * abs(theirs)


# --- perpetuals: free collateral ---


def at_price(state: AccountState, factor: Decimal) -> AccountState:
    def moved(market):
        return replace(market, price=int(market.price * factor)) if market.status == "open" else market

    return replace(state, legs=tuple(replace(leg, market=moved(leg.market)) for leg in state.legs))


@many
@given(states(), FACTORS)
def test_perp_free_collateral_at_any_price(state, factor):
    with localcontext(prec=60):
        before = decode_perp(perp.USER, state, PARAMS, perp.AT)
        after = decode_perp(perp.USER, at_price(state, factor), PARAMS, perp.AT)
        token = PARAMS.token.asset
        foretold = let_out(before, lambda asset: Decimal(1) if asset == token else factor)
        gross = sum(abs(e.equity) for e in before.exposures) * 10**5
        # At the very edge of the gate a rounded wei decides; elsewhere the figures are the contract's.
        settled = Decimal(state.balance).scaleb(-6)
        if not near(foretold, after.withdrawable_usd, Decimal("1e-5") + gross * Decimal("1e-18")):
            assert abs(after.equity_usd or 0) < CENT or settled < CENT


# --- lending: the threshold of each collateral, and collateral without LTV first ---


@st.composite
def lending(draw: st.DrawFn) -> tuple[AaveMarket, UserState, bool]:
    """Any account or a tight one; in half of the cases one threshold for all, where no rounding hides a cent."""
    market, user = draw(st.one_of(of_aave.cases(), of_aave.tight_cases()))
    exact = draw(st.booleans())
    if exact:
        market = replace(market, version=V36)
    return market, user, exact


@many
@given(lending(), st.lists(st.integers(40, 250), min_size=4, max_size=4))
def test_aave_health_after_the_withdrawal_at_any_price(case, percents):
    market, user, exact = case
    before = aave.decode_account(of_aave.USER, market, user)
    if before is None or before.withdrawal is None:
        return
    pairs = zip(of_aave.TOKENS, percents, strict=True)
    prices = {token: max(1, market.prices[token] * percent // 100) for token, percent in pairs}
    moved = replace(market, prices=prices)
    with localcontext(prec=60):
        factors = {market.names[t][0]: Decimal(prices[t]) / market.prices[t] for t in of_aave.TOKENS}
        out = taken(before, lambda asset: factors[asset])
    legs = decode_legs(moved, user)
    base = {p.token.asset: int(usd * 10**8) for p, usd in zip(before.withdrawal.pockets, out, strict=True)}

    def surplus(gone: dict[AssetId, int]) -> int:
        left = [replace(leg, supplied_base=leg.supplied_base - gone.get(leg.asset, 0)) for leg in legs]
        sums = sum_up(left, moved.version)
        return sums.equity - sums.debt

    tied = {leg.asset: leg for leg in legs if leg.collateral and leg.supplied and leg.threshold}
    if sum_up(legs, moved.version).debt and any(base.get(asset) for asset in tied):
        assert surplus(base) >= -10  # legs are cut to 1e-8 dollars each
    open_ = [p for p, usd in zip(before.withdrawal.pockets, out, strict=True) if p.weight and usd > 0]
    if not exact or not open_ or tied[open_[-1].token.asset].threshold < 500:
        return
    asset = open_[-1].token.asset
    worth = open_[-1].units * prices[tied[asset].reserve.token]
    if worth - base[asset] > 10**6:  # it was the rule that stopped here, not the pool's liquidity
        assert surplus(base | {asset: base[asset] + 10**6}) < 0


@many
@given(of_morpho.loans(), FACTORS)
def test_morpho_collateral_at_any_price(loan, factor):
    holding, market = loan
    moved = replace(market, price=int(market.price * factor))
    with localcontext(prec=80):
        before = decode_loan(of_morpho.USER, holding, market, False, of_morpho.AT)
        after = decode_loan(of_morpho.USER, holding, moved, False, of_morpho.AT)
        foretold = let_out(before, only(of_morpho.ETHER.asset, factor))
    # The contract cuts the debt's limit to a unit of the loan token, twice.
    assert near(foretold, after.withdrawable_usd, Decimal("4e-6") * 10**18 / market.lltv + Decimal("1e-5"))


@many
@given(st.integers(0, 10**23), of_morpho.markets())
def test_morpho_lenders_take_what_lies_there(shares, market):
    account = decode_supply(of_morpho.USER, Holding(shares, 0, 0), market, of_morpho.AT)
    assert let_out(account) == account.withdrawable_usd


# --- isolated perpetuals: leverage and liquidation both bind ---


@many
@given(
    st.integers(-300, 300).filter(bool),
    st.integers(1, 10**6),
    st.integers(-15, 15).map(lambda p: 1 + Decimal(p) / 100),
)
def test_synthetix_accessible_at_any_price(size, posted, factor):
    read = a_read(wei(size), wei(posted))
    moved = replace(read, market=replace(read.market, price=int(read.market.price * factor)))
    moved = replace(moved, theirs=replace(moved.theirs, flagged=False))
    with localcontext(prec=60):
        before, after = decode_synthetix(read), decode_synthetix(moved)
        if read.lost:
            assert let_out(before) == 0
        else:
            foretold = let_out(before, only(read.assets.base, factor))
            assert near(foretold, after.withdrawable_usd, Decimal("1e-12"))


# --- options: collateral above the smallest ---


@many
@given(
    st.sampled_from([OptionType.SHORT_CALL_BASE, OptionType.SHORT_CALL_QUOTE, OptionType.SHORT_PUT_QUOTE]),
    st.integers(2000, 4000), st.integers(1, 60), st.integers(1, 400), FACTORS,
)  # fmt: skip
def test_lyra_collateral_above_the_smallest_at_any_spot(kind, strike, days, thousands, factor):
    collateral = (
        lyra.wad(thousands * 1000) if kind is not OptionType.SHORT_CALL_BASE else lyra.wad(thousands) // 40
    )
    moved = replace(lyra.ETH, spot=int(lyra.ETH.spot * factor))

    def short(market) -> VenueAccount:
        leg = lyra.a_leg(kind, lyra.a_strike(strike, days), "5", collateral, market=market)
        return decode_short(lyra.USER, lyra.AT, market, leg)

    before, after = short(lyra.ETH), short(moved)
    foretold = let_out(before, only(lyra.ETH.base, factor))
    assert near(foretold, after.withdrawable_usd, Decimal("1e-4") + Decimal("1e-8") * after.mm_requirement_usd)
