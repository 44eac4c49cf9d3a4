"""The rules of Aave v3.6 by hand, beside those of v3.0."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.venues.aave.fixed_point import RAY, WAD, YEAR_S, binomial_interest, ray_mul_ceil, ray_mul_floor
from chains.venues.aave.legs import decode_legs, sum_up
from chains.venues.aave.market import EMode, UserState
from chains.venues.aave.version import V30, V36, VERSIONS
from tests.unit.chains.venues.test_aave import MIXED, NO_DATA

MARKET = replace(MIXED, version=V36)


def a_user(**state: object) -> UserState:
    empty = {
        "configuration": 0, "emode": 0, "supplied": {}, "variable_debt": {}, "stable_debt": {}, "stable_rates": {},
        "own": NO_DATA,
    }  # fmt: skip
    return UserState(**{**empty, **state})  # type: ignore[arg-type]


MIXED_USER = a_user(
    configuration=0b10_11_10,
    supplied={0: WAD, 1: 2000 * 10**6, 2: 1000 * WAD},
    variable_debt={1: 4860 * 10**6},
)


def test_the_threshold_is_not_cut_any_more() -> None:
    # 3000 at 83 %, 2000 at 80 % and 1000 at 77.01 % are 4860.1 dollars; the average shows as 8100 bps.
    new = sum_up(decode_legs(MARKET, MIXED_USER), V36)
    old = sum_up(decode_legs(MIXED, MIXED_USER), V30)
    assert (new.threshold, old.threshold) == (8100, 8100)
    assert (new.equity, old.equity) == (486_010_000_000, 486_000_000_000)
    assert new.health == 486_010_000_000 * 10**4 * WAD // new.debt // 10**4
    assert old.health == WAD
    assert new.health > WAD


def test_balances_round_against_the_account() -> None:
    reserves = tuple(replace(r, supply_index=RAY + 1, borrow_index=RAY + 1) for r in MARKET.reserves)
    user = a_user(configuration=0b01_10, supplied={0: 5}, variable_debt={1: 5})
    supply, debt = decode_legs(replace(MARKET, reserves=reserves), user)
    assert (supply.supplied, debt.debt) == (5, 6)
    # 6 units of 1e-6 dollars are 600 of 1e-8; 5 wei of ether are nothing.
    assert (supply.supplied_base, debt.debt_base) == (0, 600)
    assert V36.debt_value(1, 1, 3) == 1
    assert V30.debt_value(1, 1, 3) == 0


@given(st.integers(0, 2**120), st.integers(RAY, 10 * RAY))
def test_up_and_down_differ_by_one_at_most(amount: int, index: int) -> None:
    down, up = ray_mul_floor(amount, index), ray_mul_ceil(amount, index)
    assert up - down == (amount * index % RAY != 0)


def test_interest_of_a_year() -> None:
    # 5 %: 1 + 0.05 + 0.05²/2 + 0.05³/6 = 1.05127083…, without the loss of v3.0's integer division.
    grown = Decimal(binomial_interest(RAY // 20, YEAR_S)) / RAY
    assert abs(grown - Decimal("1.0512708333333333")) < Decimal("1e-15")
    assert V36.debt_index(2 * RAY, RAY, 0) == 2 * RAY
    assert V36.debt_index(RAY, RAY // 20, YEAR_S) == binomial_interest(RAY // 20, YEAR_S)
    assert V36.debt_index(RAY, RAY // 20, YEAR_S) != V30.debt_index(RAY, RAY // 20, YEAR_S)


def test_an_emode_is_what_its_bitmaps_say() -> None:
    emode = EMode(1, 9000, 9300, None, collateral=0b101, ltv_zero=0b100)
    market = replace(MARKET, emodes={1: emode})
    legs = decode_legs(market, replace(MIXED_USER, emode=1))
    assert [(leg.threshold, leg.ltv) for leg in legs] == [(9300, 9000), (8000, 8000), (9300, 0)]


def test_collateral_of_an_emode_only_counts_with_threshold_zero_outside() -> None:
    reserves = (replace(MARKET.reserves[0], threshold=0, ltv=0), *MARKET.reserves[1:])
    user = a_user(configuration=0b10, supplied={0: WAD})
    (outside,) = decode_legs(replace(MARKET, reserves=reserves), user)
    assert (outside.collateral, outside.threshold) == (True, 0)
    assert sum_up([outside], V36).collateral == 3000 * 10**8
    market = replace(MARKET, reserves=reserves, emodes={1: EMode(1, 9000, 9300, None, collateral=1)})
    (inside,) = decode_legs(market, replace(user, emode=1))
    assert inside.threshold == 9300


@pytest.mark.parametrize("revision", [0, 4, 9, 11])
def test_versions_in_between_and_later_are_not_known(revision: int) -> None:
    assert revision not in VERSIONS
