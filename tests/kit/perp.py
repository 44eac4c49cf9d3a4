"""States of Perp v2 accounts made by hand."""

from decimal import Decimal

from chains.caip import Address, ChainId, account_id, erc20
from chains.deployments import AssetInfo
from chains.types import BlockRef, Finality
from chains.venues.perp.rule import AccountState, Collateral, CollateralRules, Leg, Market, Params, Theirs

CHAIN = ChainId("eip155:10")
USDC, V_ETH, V_BTC, WBTC = (Address("0x" + digit * 40) for digit in "1234")
USER = account_id(CHAIN, Address("0x" + "77" * 20))
AT = BlockRef(CHAIN, 100, "0x" + "01" * 32, "0x" + "02" * 32, 1_700_000_000, Finality.LATEST)
TOKEN = AssetInfo(erc20(CHAIN, USDC), "USDC", 6, "USDC", "USDC", peg="USD")
ETH = AssetInfo(erc20(CHAIN, V_ETH), "vETH", 18, "ETH", "ETH")
BTC = AssetInfo(erc20(CHAIN, V_BTC), "vBTC", 18, "BTC", "BTC")
PARAMS = Params(TOKEN, 62_500, 100_000, 900, 100_000, 25_000)


def wad(amount: str | int) -> int:
    return int(Decimal(amount).scaleb(18))


def a_leg(
    asset: AssetInfo, size: str | int, notional: str | int, price: str | int, *, funding: str | int = 0,
    status: str = "open",
) -> Leg:  # fmt: skip
    return Leg(Market(asset, status, wad(price)), wad(size), wad(notional), wad(funding))


def a_state(
    *legs: Leg, usdc: str | int = 0, owed: str | int = 0, collaterals: tuple[Collateral, ...] = (),
    rules: CollateralRules | None = None,
) -> AccountState:  # fmt: skip
    raw = int(Decimal(usdc).scaleb(6))
    return AccountState(raw, wad(owed), 0, legs, collaterals, rules, Theirs(0, 0, 0, liquidatable=False))
