"""Laws of Aave accounts over random balances, prices and thresholds."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from chains.caip import Address, ChainId, account_id, erc20
from chains.venues.aave.account import decode_account
from chains.venues.aave.fixed_point import RAY, WAD
from chains.venues.aave.legs import NO_DEBT_HEALTH, decode_legs, sum_up
from chains.venues.aave.market import AccountData, Market, Reserve, UserState
from tests.kit.transport import a_block
from tests.kit.venue_reads import BASE_UNIT, revalued

CHAIN = ChainId("eip155:1")
TOKENS = [Address("0x" + digit * 40) for digit in "1234"]
USER = account_id(CHAIN, Address("0x" + "77" * 20))
UNIT = 10**8

amounts = st.integers(0, 10**9)
"""Thousandths of a token."""


@st.composite
def markets(draw: st.DrawFn) -> Market:
    reserves = []
    for number, token in enumerate(TOKENS):
        decimals = draw(st.sampled_from([6, 8, 18]))
        reserve = Reserve(
            id=number, token=token, decimals=decimals, ltv=draw(st.integers(0, 2)) * 3000,
            threshold=draw(st.integers(0, 9700)), bonus=10500, active=True, paused=False, siloed=False, emode=0,
            debt_ceiling_usd=Decimal(0), supply_index=draw(st.integers(RAY, 2 * RAY)), supply_rate=RAY // 50,
            borrow_index=draw(st.integers(RAY, 2 * RAY)), borrow_rate=RAY // 25,
            a_token=token, stable_debt_token=token, variable_debt_token=token,
        )  # fmt: skip
        reserves.append(reserve)
    return Market(
        at=a_block(CHAIN, 100, 1_700_000_000),
        base_unit=UNIT,
        reserves=tuple(reserves),
        emodes={},
        prices={token: draw(st.integers(1, 10**13)) for token in TOKENS},
        liquidity={token: draw(amounts) * 10**15 for token in TOKENS},
        names={token: (erc20(CHAIN, token), f"T{i}") for i, token in enumerate(TOKENS)},
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Market, UserState]:
    market = draw(markets())
    scale = {reserve.id: 10**reserve.decimals // 1000 for reserve in market.reserves}
    supplied = {i: draw(amounts) * scale[i] for i in scale}
    debt = {i: draw(amounts) * scale[i] // 20 for i in draw(st.sets(st.sampled_from(sorted(scale))))}
    bits = sum(1 << 2 * i for i, raw in debt.items() if raw) | draw(st.integers(0, 255)) & 0b10101010
    user = UserState(bits, 0, supplied, debt, {}, {}, AccountData(0, 0, 0, 0, 0, NO_DEBT_HEALTH))
    totals = sum_up(decode_legs(market, user))
    own = AccountData(totals.collateral, totals.debt, 0, totals.threshold, 0, totals.health)
    return market, replace(user, own=own)


@st.composite
def tight_cases(draw: st.DrawFn) -> tuple[Market, UserState]:
    """Healthy by a margin that binds: a debt of 70 to 100 % of the equity, mostly enough in the pool."""
    market, user = draw(cases())
    user = replace(user, configuration=user.configuration & 0b10101000, variable_debt={})
    equity = sum_up(decode_legs(market, user)).equity
    owed = market.reserves[0]
    raw = equity * draw(st.integers(70, 100)) // 100 * 10**owed.decimals // market.prices[owed.token]
    scaled = raw * RAY // owed.borrow_index
    user = replace(user, configuration=user.configuration | 1, variable_debt={0: scaled})
    if draw(st.integers(0, 3)):
        market = replace(market, liquidity=dict.fromkeys(TOKENS, 10**40))
    totals = sum_up(decode_legs(market, user))
    own = AccountData(totals.collateral, totals.debt, 0, totals.threshold, 0, totals.health)
    return market, replace(user, own=own)


@given(cases())
@settings(max_examples=150, deadline=None)
def test_surplus_exposures_and_the_verdict_are_one(case: tuple[Market, UserState]) -> None:
    market, user = case
    account = decode_account(USER, market, user)
    if account is None:
        return
    assert account.equity_usd is not None
    assert account.surplus_usd is not None
    assert (account.surplus_usd < 0) == account.liquidatable == (user.own.health < WAD)
    for summed, stated in zip(revalued(account), (account.equity_usd, account.mm_requirement_usd), strict=True):
        assert abs(summed - stated) <= BASE_UNIT * 4 + stated * Decimal("1e-18")


@given(cases(), st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_withdrawable_leaves_the_account_healthy(
    case: tuple[Market, UserState], data: st.DataObject
) -> None:
    market, user = case
    account = decode_account(USER, market, user)
    if account is None or not account.mm_requirement_usd:
        return
    assert account.withdrawable_usd is not None
    # Take everything that backs the debt out in the order of thresholds, up to the figure: health stays at 1.
    free = [leg for leg in decode_legs(market, user) if leg.supplied and not leg.collateral]
    loose = sum(
        min(leg.supplied, market.liquidity[leg.reserve.token]) * (leg.price or 0) // leg.unit for leg in free
    )
    left = int(account.withdrawable_usd * UNIT) - loose
    assert left >= 0
    backing = [leg for leg in decode_legs(market, user) if leg.supplied and leg.collateral]
    blocking = [leg for leg in backing if leg.reserve.ltv == 0]
    reduced = {}
    for leg in sorted(blocking or backing, key=lambda leg: leg.threshold):
        most = min(leg.supplied, market.liquidity[leg.reserve.token]) * (leg.price or 0) // leg.unit
        reduced[leg.reserve.id] = min(left, most)
        left -= reduced[leg.reserve.id]
    assert left == 0
    remaining = [
        replace(leg, supplied_base=leg.supplied_base - reduced.get(leg.reserve.id, 0))
        for leg in decode_legs(market, user)
    ]
    if sum(reduced.values()):
        assert sum_up(remaining).health >= WAD
