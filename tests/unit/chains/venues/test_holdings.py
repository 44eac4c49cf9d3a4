"""Idle holdings decoded from hand-made answers."""

from decimal import Decimal

import pytest

from chains.accounts import ReadFailure, VenueAccount
from chains.caip import Address, ChainId, account_id, erc20, native
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.instruments import Exposure, Spot
from chains.types import CallResult, Cut
from chains.venues.holdings import (
    BALANCE,
    COIN_BALANCE,
    COMET_FEED,
    ERC721,
    IS_NFT,
    UNDERLYING,
    Haircuts,
    HoldingsReader,
    decode_holdings,
)
from tests.kit.transport import FakeChainClient, a_block

CHAIN = ChainId("eip155:1")
MULTICALL3, USDC_AT, A_USDC_AT = (Address("0x" + digit * 40) for digit in "123")
HOLDER = Address("0x" + "77" * 20)
ACCOUNT = account_id(CHAIN, HOLDER)
COIN = AssetInfo(native(CHAIN), "ETH", 18, "ETH", "ETH")
USDC = AssetInfo(erc20(CHAIN, USDC_AT), "USDC", 6, "USDC", "USDC", peg="USD")
A_USDC = AssetInfo(erc20(CHAIN, A_USDC_AT), "aUSDC", 6, "USDC", "USDC", peg="USD")
BLOCK = a_block(CHAIN, 100, 1_700_000_000)
REVERTED, NOTHING = CallResult(False, b""), CallResult(True, b"")


def word(number: int) -> CallResult:
    return CallResult(True, number.to_bytes(32))


def test_haircuts_go_by_class() -> None:
    balances = [(COIN, word(2 * 10**18)), (USDC, word(100 * 10**6))]
    account = decode_holdings(ACCOUNT, BLOCK, balances, Haircuts(Decimal("0.1"), Decimal("0.02")))
    assert isinstance(account, VenueAccount)
    assert account.exposures == (
        Exposure(Spot(COIN.asset), value=Decimal(2), equity=Decimal("1.8")),
        Exposure(Spot(USDC.asset), value=Decimal(100), equity=Decimal(98)),
    )
    assert [position.venue_price_usd for position in account.positions] == [None, None]
    assert account.equity_usd is None
    assert account.surplus_usd is None


def test_zeros_are_nothing() -> None:
    assert decode_holdings(ACCOUNT, BLOCK, [(COIN, word(0)), (USDC, word(0))], Haircuts()) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(REVERTED, "reverted"), (NOTHING, "no_code"), (CallResult(True, b"\x01"), "undecodable")],
)
def test_an_unknown_balance_is_not_zero(answer: CallResult, reason: str) -> None:
    failure = decode_holdings(ACCOUNT, BLOCK, [(COIN, word(0)), (USDC, answer)], Haircuts())
    assert isinstance(failure, ReadFailure)
    assert failure.reason == reason
    account = decode_holdings(ACCOUNT, BLOCK, [(COIN, word(1)), (USDC, answer)], Haircuts())
    assert isinstance(account, VenueAccount)
    assert "balance of USDC is unknown" in account.degraded[0]


@pytest.mark.parametrize("haircut", ["1", "-0.01"])
def test_a_haircut_outside_its_range_is_refused(haircut: str) -> None:
    with pytest.raises(ValueError, match=r"haircuts.stable: expected 0 <= haircut < 1"):
        Haircuts(stable=Decimal(haircut))


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        (UNDERLYING, [], bytes(12) + bytes.fromhex(USDC_AT[2:])),
        (COMET_FEED, [], bytes(12) + bytes.fromhex(USDC_AT[2:])),
        (IS_NFT, [ERC721], (1).to_bytes(32)),
    ],
    ids=["aave", "compound", "nft"],
)
async def test_a_receipt_token_is_no_holding(function: Function, arguments: list[object], answer: bytes) -> None:
    client = FakeChainClient(CHAIN)
    client.set(COIN_BALANCE, MULTICALL3, [HOLDER], (0).to_bytes(32))
    for token in (USDC_AT, A_USDC_AT):
        client.set(BALANCE, token, [HOLDER], (10**6).to_bytes(32))
    deployment = ChainDeployment(CHAIN, "test", MULTICALL3, (COIN, USDC, A_USDC))
    reader, cut = HoldingsReader(client, deployment), Cut({CHAIN: BLOCK})
    (both,) = (await reader.read([ACCOUNT], cut)).accounts
    assert [position.asset for position in both.positions] == [USDC.asset, A_USDC.asset]
    client.set(IS_NFT, USDC_AT, [ERC721], bytes(32))
    client.set(function, A_USDC_AT, arguments, answer)
    (one,) = (await reader.read([ACCOUNT], cut)).accounts
    assert [position.asset for position in one.positions] == [USDC.asset]


async def test_a_chain_without_block_is_a_failure() -> None:
    deployment = ChainDeployment(CHAIN, "test", MULTICALL3, (COIN,))
    reader = HoldingsReader(FakeChainClient(CHAIN), deployment)
    (failure,) = (await reader.read([ACCOUNT], Cut({}, {CHAIN: "silent"}))).failures
    assert (failure.reason, failure.detail) == ("no_block", "silent")
    elsewhere = account_id(ChainId("eip155:10"), HOLDER)
    assert (await reader.read([elsewhere], Cut({}))).failures == ()
