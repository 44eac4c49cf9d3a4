"""What each venue's rule takes from an account that it liquidates; figures worked out on paper."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chains.accounts import Closing, Liquidation
from chains.venues.aave.account import decode_account as decode_aave
from chains.venues.aave.market import EMode, UserState
from chains.venues.aave.version import V36
from chains.venues.lyra.decode import decode_short
from chains.venues.lyra.rule import OptionType
from chains.venues.morpho.decode import decode_loan
from chains.venues.morpho.rule import WAD, Holding, incentive
from chains.venues.perp.decode import decode_account as decode_perp
from chains.venues.synthetix.decode import decode_account as decode_synthetix
from tests.kit import lyra, perp, synthetix
from tests.unit.chains.venues import test_aave as aave
from tests.unit.chains.venues import test_morpho as morpho

HALF = Decimal("0.5")


def an_aave_account(market, debt_usdc: int, emode: int = 0):
    supplied, debts = {0: 10 * 10**18}, {1: debt_usdc * 10**6}
    user = UserState(0b0110, emode, supplied, debts, {}, {}, aave.NO_DATA)
    return decode_aave(aave.USER, market, user)


def aave_market(**changes: object):
    reserves = (aave.a_reserve(0, aave.WETH), aave.a_reserve(1, aave.USDC, decimals=6, bonus=10_450))
    return replace(aave.a_market(*reserves, WETH=3000 * 10**8, USDC=10**8), **changes)


def test_aave_takes_the_bonus_of_the_collateral_on_half_the_debt():
    found = an_aave_account(aave_market(), 12_000).liquidation
    assert found == Liquidation(Closing.DEBT, Decimal(12_000), Decimal("0.05"), HALF, Decimal("0.95"))
    assert (found.cost_usd(deep=False), found.cost_usd(deep=True)) == (300, 600)


def test_aave_emode_has_its_own_bonus():
    market = aave_market(emodes={1: EMode(1, 9300, 9500, None, bonus=10_100)})
    market = replace(market, reserves=(replace(market.reserves[0], emode=1), market.reserves[1]))
    assert an_aave_account(market, 12_000, emode=1).liquidation.ratio == Decimal("0.01")


def test_aave_closes_small_positions_whole_since_3_3():
    assert an_aave_account(aave_market(), 1_999).liquidation.close_factor == HALF
    assert an_aave_account(aave_market(version=V36), 1_999).liquidation.close_factor == 1
    assert an_aave_account(aave_market(version=V36), 2_000).liquidation.close_factor == HALF


def test_nothing_is_liquidated_without_a_debt():
    user = UserState(0b0010, 0, {0: 10**18}, {}, {}, {}, aave.NO_DATA)
    assert decode_aave(aave.USER, aave_market(), user).liquidation is None
    only_collateral = Holding(0, 0, 10**18)
    assert decode_loan(morpho.USER, only_collateral, morpho.MARKET, False, morpho.AT).liquidation is None
    assert decode_perp(perp.USER, perp.a_state(usdc=5), perp.PARAMS, perp.AT).liquidation is None


@pytest.mark.parametrize(
    ("lltv", "factor"),
    # docs.morpho.org, liquidation incentive factor: 86 % 1.0438, 94.5 % 1.0168; 38.5 % would pass the cap
    [("0.86", "1.0438"), ("0.945", "1.0168"), ("0.385", "1.15"), ("1", "1")],
)
def test_morpho_incentive_by_lltv(lltv, factor):
    found = Decimal(incentive(int(Decimal(lltv) * WAD))).scaleb(-18)
    assert found == pytest.approx(Decimal(factor), abs=Decimal("5e-5"))


def test_morpho_takes_the_incentive_on_the_whole_debt():
    owing = Holding(0, morpho.shares(500), 10**18)
    found = decode_loan(morpho.USER, owing, morpho.MARKET, False, morpho.AT).liquidation
    debt = Decimal(500)
    assert (found.closing, found.base_usd, found.close_factor) == (Closing.DEBT, debt, 1)
    assert found.cost_usd(deep=False) == pytest.approx(Decimal("21.92"), abs=Decimal("0.01"))


def test_perp_takes_its_penalty_on_half_the_notional_then_on_all():
    long = perp.a_leg(perp.ETH, 10, -30_000, 2_900)
    found = decode_perp(perp.USER, perp.a_state(long, usdc=5_000), perp.PARAMS, perp.AT).liquidation
    assert found == Liquidation(Closing.POSITION, Decimal(29_000), Decimal("0.025"), HALF, HALF)
    assert (found.cost_usd(deep=False), found.cost_usd(deep=True)) == (Decimal("362.5"), 725)
    dust = perp.a_leg(perp.ETH, "0.03", -90, 3_000)
    found = decode_perp(perp.USER, perp.a_state(dust, usdc=50), perp.PARAMS, perp.AT).liquidation
    assert found.close_factor == 1


def test_synthetix_takes_all_that_is_left():
    account = decode_synthetix(synthetix.a_read(synthetix.wei(1), synthetix.wei(2_000)))
    assert account.liquidation == Liquidation(Closing.ALL, account.mm_requirement_usd, Decimal(1))
    assert account.liquidation.cost_usd(deep=False) == account.mm_requirement_usd > 0


def test_lyra_takes_a_fifth_of_what_closing_leaves_and_at_least_the_fee():
    leg = lyra.a_leg(OptionType.SHORT_PUT_QUOTE, lyra.a_strike(3_000), "5", lyra.wad(10_000))
    account = decode_short(lyra.USER, lyra.AT, lyra.ETH, leg)
    left = account.mm_requirement_usd - 5 * Decimal(leg.answers.put).scaleb(-18)
    assert left > 0
    assert account.liquidation.cost_usd(deep=False) == Decimal("0.2") * left
    tiny = lyra.a_leg(OptionType.SHORT_PUT_QUOTE, lyra.a_strike(1_500), "0.0001", lyra.wad(300))
    small = decode_short(lyra.USER, lyra.AT, replace(lyra.ETH, penalty=0), tiny)
    assert small.liquidation.cost_usd(deep=False) == 15
