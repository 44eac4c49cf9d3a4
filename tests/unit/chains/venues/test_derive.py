"""Derive v2 by hand: the standard margin of cash, perpetuals and base assets."""

from decimal import Decimal

import pytest

from chains.caip import Address, account_id, chain_id, erc20
from chains.deployments import AssetInfo
from chains.evm.batch import UnknownMode
from chains.margin_state import MarginFigures
from chains.venues.derive.decode import (
    BaseLeg,
    Cash,
    Legs,
    Manager,
    PerpLeg,
    decode_by_manager,
    decode_standard,
    times,
)
from chains.venues.derive.holding import option_id
from chains.venues.derive.parameters import row
from tests.kit.transport import a_block

CHAIN = chain_id(957)
USER = account_id(CHAIN, Address("0x" + "77" * 20))
AT = a_block(CHAIN, 100, 1_700_000_000)
USDC = AssetInfo(erc20(CHAIN, Address("0x" + "1" * 40)), "USDC", 6, "USDC", "USDC", peg="USD")
WETH = AssetInfo(erc20(CHAIN, Address("0x" + "2" * 40)), "WETH", 18, "ETH", "ETH")


def wad(amount: str | int) -> int:
    return int(Decimal(amount).scaleb(18))


def test_products_go_toward_zero() -> None:
    assert (times(3, 10**18 // 2), times(-3, 10**18 // 2)) == (1, -1)


def test_standard_margin_by_hand() -> None:
    perp = PerpLeg(WETH, 1, wad(-20), wad(3000), wad("0.05"), wad(-1500))
    base = BaseLeg(WETH, wad(4), wad(3000), wad("0.8"))
    manager = Manager("standard_manager", wad(14_100), wad(11_100), wad(19_500))
    account = decode_standard(USER, 7, Legs([Cash(USDC, wad(9000))], [perp], [base]), manager, AT)
    # 9000 of cash, 1500 lost so far, 12,000 of ether at 80 %; 60,000 of perpetuals at 5 %.
    assert (account.equity_usd, account.mm_requirement_usd) == (Decimal(17_100), Decimal(3000))
    assert account.checks[0].rel_error == 0
    assert account.liquidatable is False


def test_another_answer_of_the_manager_shows() -> None:
    manager = Manager("standard_manager", wad("8999.99"), wad(9000), wad(9000))
    account = decode_standard(USER, 7, Legs([Cash(USDC, wad(9000))]), manager, AT)
    assert account.checks[0].rel_error > Decimal("1e-6")


def test_the_managers_figures_decide_whatever_the_model_says() -> None:
    manager = Manager("PM", wad(-5), wad(-20), wad(100))
    figures = MarginFigures(Decimal(100), Decimal(3), Decimal(-20))
    account = decode_by_manager(USER, 7, Legs(), manager, (figures, Decimal("0.5")), "no sum", AT)
    assert (account.equity_usd, account.mm_requirement_usd, account.surplus_usd) == (100, 105, -5)
    assert account.liquidatable is True
    errors = {check.name: check.rel_error for check in account.checks}
    assert errors == {
        "maintenance_margin_usd": Decimal("1.5"), "initial_margin_usd": 0, "mark_to_market_usd": 0,
    }  # fmt: skip
    assert len(account.degraded) == 1


def test_why_there_is_no_figure_of_the_model_is_said() -> None:
    manager = Manager("PM", wad(5), None, wad(100))
    why = "the forward of an expiry could not be read"
    account = decode_by_manager(USER, 7, Legs(), manager, why, "no sum", AT)
    assert (account.surplus_usd, account.checks) == (5, ())
    assert "the forward of an expiry could not be read" in account.degraded[1]


def test_option_ids_hold_call_strike_and_expiry() -> None:
    call = 1 << 95 | 2_500_50000000 << 32 | 1_800_000_000
    assert option_id(call) == (1_800_000_000, wad("2500.5"), True)
    assert option_id(call - (1 << 95)) == (1_800_000_000, wad("2500.5"), False)
    with pytest.raises(UnknownMode):
        option_id(2**96)


def test_a_shock_of_a_new_kind_is_unknown() -> None:
    with pytest.raises(UnknownMode, match="shock 5"):
        row(10**18, 5, 10**18)
