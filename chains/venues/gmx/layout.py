"""ABI of GMX v2's reader and data store, release 2.2, and the keys of the data store.

Structs: gmx-synthetics, Position.sol, ReaderPositionUtils.sol, PositionPricingUtils.sol, ReaderPricingUtils.sol.
"""

from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chains.caip import Address
from chains.evm.abi import Function

WORD: Final = 32

_NUMBERS: Final = "(uint256,uint256,uint256,int256,uint256,uint256,uint256,uint256,uint256,uint256)"
"""sizeInUsd, sizeInTokens, collateralAmount, pendingImpactAmount, …"""
PROPS: Final = f"((address,address,address),{_NUMBERS},(bool))"
PROPS_WORDS: Final = 14
_REFERRAL: Final = "(bytes32,address,address,uint256,uint256,uint256,uint256,uint256,uint256,uint256)"
_PRO: Final = "(uint256,uint256,uint256)"
_FUNDING: Final = "(uint256,uint256,uint256,uint256,uint256,uint256)"
_FOUR: Final = "(uint256,uint256,uint256,uint256)"
_UI: Final = "(address,uint256,uint256)"
_PRICE: Final = "(uint256,uint256)"
_FEES: Final = (
    f"({_REFERRAL},{_PRO},{_FUNDING},{_FOUR},{_UI},{_FOUR},{_PRICE},"
    "uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256)"
)
_EXECUTION: Final = "(int256,uint256,bool,int256,int256,uint256)"
INFO_WORDS: Final = 66
"""Length of PositionInfo, all of it static: another length is another release."""
TOTAL_COST, IMPACT, PENDING_IMPACT = 15, 0, 3
"""Places of totalCostAmount in the fees, of priceImpactUsd and of the pending impact in the execution price."""

_MARKET: Final = "(address,address,address,address)"
PRICES: Final = f"({_PRICE},{_PRICE},{_PRICE})"

POSITIONS: Final = Function("getAccountPositions(address,address,uint256,uint256)", f"({PROPS}[])")
MARKET: Final = Function("getMarket(address,address)", f"({_MARKET})")
INFO: Final = Function(
    f"getPositionInfo(address,address,bytes32,{PRICES},uint256,address,bool)",
    f"((bytes32,{PROPS},{_FEES},{_EXECUTION},int256,int256,int256))",
)
# The last two: shouldValidateMinCollateralUsd and forLiquidation, which picks the smaller minimal factor.
LIQUIDATABLE: Final = Function(
    f"isPositionLiquidatable(address,address,bytes32,{_MARKET},{PRICES},bool,bool)",
    "(bool,string,(int256,int256,int256))",
)
UINT: Final = Function("getUint(bytes32)", "(uint256)")
ADDRESS: Final = Function("getAddress(bytes32)", "(address)")
ROUND: Final = Function("latestRoundData()", "(uint80,int256,uint256,uint256,uint80)")


def key(name: str) -> bytes:
    """Key of a setting of the whole venue."""
    return keccak(encode(("string",), (name,)))


def key_of(name: str, address: Address) -> bytes:
    """Key of a market's or a token's setting."""
    return keccak(encode(("bytes32", "address"), (key(name), address)))


def position_key(account: Address, market: Address, collateral: Address, is_long: bool) -> bytes:
    """Key of a position."""
    return keccak(encode(("address", "address", "address", "bool"), (account, market, collateral, is_long)))
