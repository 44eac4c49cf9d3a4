"""Laws of the PerpsV2 decoder for any state of a market."""

from dataclasses import replace
from decimal import Context, Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from chains.venues.synthetix import rules
from chains.venues.synthetix.decode import MarketAccount, decode_account
from chains.venues.synthetix.rules import UNIT, Holding, Market, Terms
from tests.kit.synthetix import ASSETS, CHAIN, NOW, USER, sums, theirs_of
from tests.kit.transport import a_block

amounts = st.integers(1, 10**9 * UNIT)
ratios = st.integers(0, UNIT)
prices = st.integers(10**10, 10**6 * UNIT)
TERMS = st.builds(
    Terms, max_leverage=st.integers(UNIT, 100 * UNIT), skew_scale=st.integers(UNIT, 10**8 * UNIT),
    max_funding_velocity=st.integers(0, 40 * UNIT), premium_multiplier=st.integers(1, 5 * UNIT),
    buffer_ratio=ratios, min_initial=st.integers(0, 100 * UNIT), fee_ratio=ratios,
    fee_min=st.integers(0, 10 * UNIT), fee_max=st.integers(0, 1000 * UNIT), keeper_fee=st.integers(0, 10 * UNIT),
)  # fmt: skip
MARKETS = st.builds(
    Market, key=st.just("sETHPERP"), base_asset=st.just("sETH"), price=prices, price_invalid=st.just(False),
    skew=st.integers(-(10**8) * UNIT, 10**8 * UNIT), funded_at=st.integers(NOW - 10**6, NOW),
    funded_rate=st.integers(-UNIT // 10, UNIT // 10), funding_entry=st.integers(-1000 * UNIT, 1000 * UNIT),
    active=st.just(True),
)  # fmt: skip
HOLDINGS = st.builds(
    Holding, posted=amounts, last_price=prices, size=st.one_of(amounts, amounts.map(lambda x: -x)),
    funding_index=st.just(1), funding_entry=st.integers(-1000 * UNIT, 1000 * UNIT),
)  # fmt: skip


def state(market: Market, terms: Terms, held: Holding) -> MarketAccount:
    theirs = theirs_of(market, terms, held)
    return MarketAccount(USER, a_block(CHAIN, 100, NOW), market, terms, held, theirs, ASSETS)


@given(MARKETS, TERMS, HOLDINGS)
def test_surplus_is_negative_exactly_where_the_contract_liquidates(market, terms, held):
    read = state(market, terms, held)
    account = decode_account(read)
    assert account.surplus_usd is not None
    assert (account.surplus_usd < 0) is account.liquidatable
    assert account.liquidatable is rules.can_liquidate(held, read.accrual, market.price, terms)


@given(MARKETS, TERMS, HOLDINGS, st.integers(-3, 3))
def test_at_the_edge_one_wei_decides(market, terms, held, wei):
    read = state(market, terms, held)
    posted = held.posted + read.requirement - read.equity + wei
    if posted >= 0:
        edge = decode_account(state(market, terms, replace(held, posted=posted)))
        assert edge.liquidatable is (wei < 0)


@given(MARKETS, TERMS, HOLDINGS, st.integers(1, 30_000))
def test_exposures_are_the_rule_at_any_price(market, terms, held, shock_bps):
    read = state(market, terms, held)
    moved = replace(market, price=market.price * shock_bps // 10_000)
    there = state(moved, terms, held)
    with localcontext(Context(prec=120)):
        factor = Decimal(moved.price) / Decimal(market.price)
        total = sums(decode_account(read), factor)
        # Each of the contract's dozen roundings loses a wei per unit of size or of price at most.
        lost = Decimal(16 * (abs(held.size) + moved.price + market.price + UNIT)).scaleb(-36)
        assert abs(total.requirement - Decimal(there.requirement).scaleb(-18)) <= lost * 10
        if not read.lost:
            assert abs(total.equity - Decimal(there.equity).scaleb(-18)) <= lost


@given(MARKETS, TERMS, HOLDINGS)
def test_what_is_withdrawn_leaves_an_account_that_lives(market, terms, held):
    read = state(market, terms, held)
    account = decode_account(read)
    assert account.withdrawable_usd is not None
    left = held.posted - int(account.withdrawable_usd * UNIT)
    if account.withdrawable_usd > 0 and account.withdrawable_usd < 10**9:
        after = decode_account(state(market, terms, replace(held, posted=left)))
        assert after.liquidatable is False
