"""Compound v3 by hand: interest, the rule's rounding, what may leave."""

from dataclasses import replace
from decimal import Decimal

from chains.accounts import VenueAccount
from chains.caip import Address, account_id, chain_id, erc20
from chains.deployments import AssetInfo
from chains.venues.compound.decode import Base, Collateral, Own, accrued, decode_account
from tests.kit.transport import a_block

CHAIN = chain_id(1)
USER = account_id(CHAIN, Address("0x" + "77" * 20))
AT = a_block(CHAIN, 100, 1_700_000_000)
USDC = AssetInfo(erc20(CHAIN, Address("0x" + "1" * 40)), "USDC", 6, "USDC", "USDC", peg="USD")
WETH = AssetInfo(erc20(CHAIN, Address("0x" + "2" * 40)), "WETH", 18, "ETH", "ETH")
BASE = Base("cUSDCv3", USDC, 10**8, 10**6, 11 * 10**14, 12 * 10**14, 10**9, 2 * 10**9, 10**12, True)
ETHER = Collateral(WETH, 3000 * 10**8, 10**18, 82 * 10**16, 90 * 10**16, 95 * 10**16, 10**19)


def decoded(
    principal: int, *collateral: Collateral, base: Base = BASE, own: Own | None = None
) -> VenueAccount | None:
    supplied = principal * base.supply_index // 10**15 if principal > 0 else 0
    owed = -principal * base.borrow_index // 10**15 if principal < 0 else 0
    return decode_account(USER, principal, base, collateral, own or Own(supplied, owed, False), AT)


def test_interest_is_simple_between_accruals() -> None:
    # 1e9 a second of 1e-18 for 1e6 seconds is 0.1 %.
    assert accrued(10**15, 10**9, 10**6) == 10**15 + 10**12
    assert accrued(1_061_234_567_890_123, 0, 10**9) == 1_061_234_567_890_123


def test_a_loan_by_hand() -> None:
    account = decoded(-20_000 * 10**6, ETHER)
    assert account is not None
    # 10 ether at 3000 and 90 % against 20,000 of principal at an index of 1.2.
    assert (account.equity_usd, account.mm_requirement_usd) == (Decimal(27_000), Decimal(24_000))
    assert account.surplus_usd == 3000
    # 30,000 x 82 % less the debt, over 82 %.
    assert account.withdrawable_usd is not None
    assert abs(account.withdrawable_usd - 600 / Decimal("0.82")) < Decimal("1e-6")
    # Absorbed, all of its 30,000 dollars count 95 %.
    assert account.liquidation is not None
    assert account.liquidation.cost_usd(deep=False) == account.liquidation.cost_usd(deep=True) == 1500
    # 24,000 dollars at 2e-9 a second.
    assert account.carry_usd_per_day == Decimal(24_000) * 2 * 86_400 / 10**9


def test_each_step_is_cut_as_the_contract_cuts_it() -> None:
    dust = replace(ETHER, balance=10**10 - 1)  # 0.00002999999 dollars: 2999 units of 1e-8, 90 % of them 2699.1
    account = decoded(-1, dust)
    assert account is not None
    assert account.equity_usd == Decimal(2699).scaleb(-8)
    assert account.mm_requirement_usd == Decimal(100).scaleb(-8)  # 1.2 smallest units are 1


def test_lending_and_idle_collateral_need_nothing() -> None:
    account = decoded(1000 * 10**6, ETHER)
    assert account is not None
    assert (account.equity_usd, account.mm_requirement_usd) == (Decimal(31_100), Decimal(0))
    assert account.withdrawable_usd == Decimal(31_100)
    assert account.carry_usd_per_day < 0
    closed = decoded(1000 * 10**6, ETHER, base=replace(BASE, withdrawals_open=False))
    assert closed is not None
    assert closed.withdrawable_usd == 0
    dry = decoded(1000 * 10**6, base=replace(BASE, cash=10**6))
    assert dry is not None
    assert dry.withdrawable_usd == 1


def test_nothing_is_nobody() -> None:
    assert decoded(0) is None
    assert decoded(0, replace(ETHER, balance=0)) is None


def test_a_difference_shows() -> None:
    account = decoded(-(10**6), ETHER, own=Own(0, 1_200_001, False))
    assert account is not None
    assert max(check.rel_error for check in account.checks) > Decimal("1e-7")
