"""Laws of Perp v2's decoding over random states."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from chains.instruments import Instrument, Perp
from chains.venues.perp.decode import decode_account
from chains.venues.perp.rule import AccountState, Leg, Market, figures
from tests.kit.lone_venue import at_venue, close, total
from tests.kit.perp import AT, BTC, ETH, PARAMS, USER, a_state

SIZE = st.integers(-(10**23), 10**23)
MONEY = st.integers(-(10**25), 10**25)
PRICE = st.integers(10**15, 10**23)
FUNDING = st.integers(-(10**21), 10**21)
STATUS = st.sampled_from(["open", "open", "open", "paused", "closed"])


@st.composite
def legs(draw: st.DrawFn) -> tuple[Leg, ...]:
    assets = draw(st.sampled_from([(), (ETH,), (BTC,), (ETH, BTC)]))
    return tuple(
        Leg(
            Market(asset, draw(STATUS), draw(PRICE)), draw(SIZE), draw(MONEY), draw(st.integers(-(10**21), 10**21))
        )
        for asset in assets
    )


@st.composite
def states(draw: st.DrawFn) -> AccountState:
    state = a_state(*draw(legs()), usdc=draw(st.integers(-(10**7), 10**7)))
    return replace(state, owed_pnl=draw(MONEY), pending_fee=draw(st.integers(0, 10**20)))


@given(states())
def test_exposures_sum_to_equity_and_requirement(state: AccountState) -> None:
    account = decode_account(USER, state, PARAMS, AT)
    assert account.equity_usd is not None
    assert close(total(account.exposures, "equity"), account.equity_usd, floor="1e-6")
    assert close(total(account.exposures, "requirement"), account.mm_requirement_usd, floor="1e-9")


@given(states(), st.floats(0.5, 2))
def test_exposures_foretell_any_price(state: AccountState, factor: float) -> None:
    shocked = Decimal(factor)

    def moved(leg: Leg) -> Leg:
        price = int(leg.market.price * shocked) if leg.market.status == "open" else leg.market.price
        return replace(leg, market=replace(leg.market, price=price))

    def price(instrument: Instrument) -> Decimal:
        return at_venue(instrument) * (shocked if isinstance(instrument, Perp) else 1)

    before = decode_account(USER, state, PARAMS, AT)
    after = decode_account(USER, replace(state, legs=tuple(map(moved, state.legs))), PARAMS, AT)
    assert after.equity_usd is not None
    gross = total([replace(e, equity=abs(e.equity)) for e in before.exposures], "equity", price)
    tolerance = f"{Decimal('1e-12') * gross + Decimal('3e-6'):f}"
    assert close(total(before.exposures, "equity", price), after.equity_usd, floor=tolerance)
    assert close(total(before.exposures, "requirement", price), after.mm_requirement_usd, floor=tolerance)


@given(states(), st.integers(1, 10**13))
def test_a_deposit_raises_surplus_one_for_one(state: AccountState, raw: int) -> None:
    poor = decode_account(USER, state, PARAMS, AT)
    rich = decode_account(USER, replace(state, balance=state.balance + raw), PARAMS, AT)
    assert rich.surplus_usd is not None
    assert poor.surplus_usd is not None
    assert rich.surplus_usd - poor.surplus_usd == Decimal(raw).scaleb(-6)


@given(states())
def test_what_is_free_is_never_more_than_what_is_there(state: AccountState) -> None:
    own = figures(state, PARAMS)
    account = decode_account(USER, state, PARAMS, AT)
    assert account.withdrawable_usd is not None
    assert 0 <= own.free_units <= max(0, own.value_units)
    assert 0 <= account.withdrawable_usd <= max(Decimal(0), Decimal(own.value_units).scaleb(-6))
