"""Derive v2 by hand: the standard margin of cash, perpetuals and base assets."""

from decimal import Decimal

from chains.caip import Address, account_id, chain_id, erc20
from chains.deployments import AssetInfo
from chains.venues.derive.decode import BaseLeg, Cash, Manager, PerpLeg, decode_by_manager, decode_standard, times
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
    manager = Manager("standard_manager", wad(14_100), wad(19_500))
    account = decode_standard(USER, 7, [Cash(USDC, wad(9000))], [perp], [base], manager, AT)
    # 9000 of cash, 1500 lost so far, 12,000 of ether at 80 %; 60,000 of perpetuals at 5 %.
    assert (account.equity_usd, account.mm_requirement_usd) == (Decimal(17_100), Decimal(3000))
    assert account.checks[0].rel_error == 0
    assert account.liquidatable is False


def test_another_answer_of_the_manager_shows() -> None:
    manager = Manager("standard_manager", wad("8999.99"), wad(9000))
    account = decode_standard(USER, 7, [Cash(USDC, wad(9000))], [], [], manager, AT)
    assert account.checks[0].rel_error > Decimal("1e-6")


def test_what_only_the_manager_knows_is_degraded() -> None:
    account = decode_by_manager(USER, 7, Manager("PM", wad(-5), wad(100)), "it is margined by PM", AT)
    assert (account.equity_usd, account.mm_requirement_usd, account.surplus_usd) == (100, 105, -5)
    assert account.liquidatable is True
    assert account.degraded == ("derive-v2: sub-account 7: it is margined by PM: its scenarios are unknown",)
