"""Laws of Morpho Blue's arithmetic over random markets."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import event, given
from hypothesis import strategies as st

from chains.caip import Address, ChainId, account_id, erc20
from chains.deployments import AssetInfo
from chains.types import BlockRef, Finality
from chains.venues.morpho.decode import decode_loan
from chains.venues.morpho.rule import (
    WAD,
    Holding,
    Market,
    Totals,
    accrued,
    assets_down,
    assets_up,
    borrowed,
    free_collateral,
    max_borrow,
    shares_down,
)
from tests.kit.lone_venue import close, total

CHAIN = ChainId("eip155:8453")
USDC, WETH, ORACLE = (Address("0x" + digit * 40) for digit in "123")
LOAN = AssetInfo(erc20(CHAIN, USDC), "USDC", 6, "USDC", "USDC", peg="USD")
ETHER = AssetInfo(erc20(CHAIN, WETH), "WETH", 18, "ETH", "ETH")
USER = account_id(CHAIN, WETH)
NOW = 1_700_000_000
AT = BlockRef(CHAIN, 100, "0x" + "01" * 32, "0x" + "02" * 32, NOW, Finality.LATEST)
ASSETS = st.integers(0, 10**17)
SHARES = st.integers(0, 10**23)


@st.composite
def totals(draw: st.DrawFn) -> Totals:
    borrow = draw(ASSETS)
    fee = draw(st.sampled_from([0, 10**16, 25 * 10**16]))
    age = draw(st.integers(0, 10**8))
    return Totals(borrow + draw(ASSETS), draw(SHARES), borrow, draw(SHARES), NOW - age, fee)


@st.composite
def markets(draw: st.DrawFn) -> Market:
    sums = draw(totals())
    price = draw(st.integers(10**20, 10**29))
    return Market(bytes(32), LOAN, ETHER, ORACLE, draw(st.integers(1, WAD - 1)), price, sums, sums)


HOLDINGS = st.builds(Holding, st.just(0), SHARES, st.integers(0, 10**24))


@given(totals(), st.integers(0, 10**11))
def test_interest_only_adds_and_both_sides_the_same(before: Totals, rate: int) -> None:
    after, fee_shares = accrued(before, rate, NOW)
    added = after.borrow_assets - before.borrow_assets
    assert added >= 0
    assert after.supply_assets - before.supply_assets == added
    assert after.supply_shares - before.supply_shares == fee_shares >= 0
    assert accrued(after, rate, NOW) == (after, 0)


@given(SHARES, ASSETS, SHARES)
def test_rounding_is_against_the_account(shares: int, assets: int, all_shares: int) -> None:
    down, up = assets_down(shares, assets, all_shares), assets_up(shares, assets, all_shares)
    assert down <= up <= down + 1


@given(HOLDINGS, markets())
def test_surplus_is_negative_exactly_where_the_loan_is_unhealthy(holding: Holding, market: Market) -> None:
    account = decode_loan(USER, holding, market, False, AT)
    assert account.surplus_usd is not None
    assert (account.surplus_usd < 0) == (max_borrow(holding.collateral, market) < borrowed(holding, market))
    assert account.equity_usd is not None
    assert close(total(account.exposures, "equity"), account.equity_usd)
    assert total(account.exposures, "requirement") == account.mm_requirement_usd


@st.composite
def loans(draw: st.DrawFn) -> tuple[Holding, Market]:
    """Loans from nothing to a fifth above what is healthy."""
    market, collateral = draw(markets()), draw(st.integers(10**16, 10**24))
    borrow = draw(st.integers(10**9, 10**17))
    sums = replace(market.totals, borrow_assets=borrow, borrow_shares=borrow * draw(st.integers(8 * 10**5, 10**6)))
    price, lltv = draw(st.integers(10**23, 10**29)), draw(st.integers(WAD // 2, WAD - 1))
    market = replace(market, totals=sums, price=price, lltv=lltv)
    debt = max_borrow(collateral, market) * draw(st.integers(0, 120)) // 100
    return Holding(0, shares_down(debt, sums.borrow_assets, sums.borrow_shares), collateral), market


@given(loans())
def test_free_collateral_is_the_most_that_can_leave(loan: tuple[Holding, Market]) -> None:
    holding, market = loan
    debt, free = borrowed(holding, market), free_collateral(holding, market)
    healthy = max_borrow(holding.collateral, market) >= debt
    event(f"healthy: {healthy}, debt: {debt > 0}")
    assert healthy or free == 0
    assert not healthy or max_borrow(holding.collateral - free, market) >= debt
    if free < holding.collateral:
        assert max_borrow(holding.collateral - free - 1, market) < debt


@given(HOLDINGS, markets(), st.integers(1, 10**20))
def test_collateral_never_lowers_surplus(holding: Holding, market: Market, more: int) -> None:
    poor = decode_loan(USER, holding, market, False, AT).surplus_usd
    rich = decode_loan(USER, replace(holding, collateral=holding.collateral + more), market, False, AT).surplus_usd
    assert poor is not None
    assert rich is not None
    assert Decimal(0) <= rich - poor
