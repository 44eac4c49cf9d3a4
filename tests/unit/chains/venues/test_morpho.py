"""Morpho Blue's arithmetic on figures worked out on paper, and what the reader refuses."""

from dataclasses import replace
from decimal import Decimal

import pytest
from eth_abi.abi import encode

from chains.accounts import PositionKind, ReadResult
from chains.caip import Address, ChainId, account_id, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.types import BlockRef, CallResult, Cut, Finality
from chains.venues.morpho import VENUE, MorphoReader
from chains.venues.morpho import reader as calls
from chains.venues.morpho.decode import decode_loan, decode_supply
from chains.venues.morpho.rule import (
    WAD,
    Holding,
    Market,
    Totals,
    accrued,
    assets_down,
    assets_up,
    borrowed,
    free_collateral,
    max_borrow,
    supplied,
)
from tests.kit.transport import FakeChainClient

CHAIN = ChainId("eip155:8453")
USDC, WETH, MORPHO, ORACLE, IRM = (Address("0x" + digit * 40) for digit in "12345")
OWNER = Address("0x" + "77" * 20)
USER = account_id(CHAIN, OWNER)
NOW = 1_700_000_000
AT = BlockRef(CHAIN, 100, "0x" + "01" * 32, "0x" + "02" * 32, NOW, Finality.LATEST)
LOAN = AssetInfo(erc20(CHAIN, USDC), "USDC", 6, "USDC", "USDC", peg="USD")
ETHER = AssetInfo(erc20(CHAIN, WETH), "WETH", 18, "ETH", "ETH")
ID = bytes(range(32))
TOTALS = Totals(2_000_000_000, 2_000_000_000_000_000, 1_000_000_000, 1_000_000_000_000_000, NOW, 0)
MARKET = Market(ID, LOAN, ETHER, ORACLE, 86 * 10**16, 3000 * 10**24, TOTALS, TOTALS)


def shares(usdc: int) -> int:
    """Borrow shares of an amount in the market as it stands: 1e12 each."""
    return usdc * 10**12


def test_interest_is_three_terms_of_the_exponential() -> None:
    before = replace(TOTALS, last_update=NOW - 10)
    after, fee_shares = accrued(before, 10**16, NOW)  # 1 % a second: 0.1 + 0.005 + 0.000166666666666666
    assert after.borrow_assets == 1_105_166_666
    assert after.supply_assets == 2_105_166_666
    assert (after.last_update, fee_shares, after.supply_shares) == (NOW, 0, TOTALS.supply_shares)


def test_the_fee_becomes_new_supply_shares() -> None:
    before = replace(TOTALS, last_update=NOW - 10, fee=10**17)
    after, fee_shares = accrued(before, 10**16, NOW)
    # 10,516,666 of 105,166,666 interest, at (2e15 + 1e6) shares for 2,094,650,001 units
    assert fee_shares == 10_041_454_181_116
    assert after.supply_shares == TOTALS.supply_shares + fee_shares


def test_no_time_no_interest() -> None:
    assert accrued(TOTALS, 10**18, NOW) == (TOTALS, 0)


def test_debt_rounds_up_and_deposits_down() -> None:
    assert assets_up(1, 10**9, 10**15) == 1
    assert assets_down(1, 10**9, 10**15) == 0
    assert assets_up(0, 10**9, 10**15) == 0
    assert assets_down(10**12, 0, 0) == 10**6  # an empty market: virtual shares


def test_max_borrow_rounds_down_twice() -> None:
    market = replace(MARKET, price=10**36, lltv=WAD // 2)
    assert [max_borrow(collateral, market) for collateral in (0, 1, 2, 3)] == [0, 0, 1, 1]
    assert max_borrow(10**18, MARKET) == 2_580_000_000  # 3,000 x 86 %


def test_a_loan_by_hand() -> None:
    holding = Holding(0, shares(800), 2 * 10**18)
    account = decode_loan(USER, holding, MARKET, False, AT)
    assert account.equity_usd == 5_160
    # the virtual unit and shares make 800.000000 exactly 800 + 1 unit at most
    assert account.mm_requirement_usd in (Decimal("800"), Decimal("800.000001"))
    assert account.sub_account == "0x00010203"
    assert [position.kind for position in account.positions] == [PositionKind.COLLATERAL, PositionKind.DEBT]
    assert account.positions[1].size == -account.mm_requirement_usd
    assert account.positions[0].venue_price_usd == 3_000
    assert account.positions[0].details["lltv"] == "0.860000000000000000"


def test_exposures_owe_the_loan_token() -> None:
    collateral, loan, cut = decode_loan(USER, Holding(0, shares(800), 2 * 10**18), MARKET, False, AT).exposures
    assert (collateral.value, collateral.equity, collateral.requirement) == (2, Decimal("1.72"), 0)
    assert loan.value == -loan.requirement
    assert loan.equity == 0
    assert Decimal("-0.000002") < cut.equity <= 0


@pytest.mark.parametrize("owed", [1, 799, 5_159])
def test_free_collateral_leaves_a_healthy_loan_and_no_unit_more(owed: int) -> None:
    holding = Holding(0, shares(owed), 2 * 10**18)
    free = free_collateral(holding, MARKET)
    debt = borrowed(holding, MARKET)
    assert max_borrow(holding.collateral - free, MARKET) >= debt
    assert max_borrow(holding.collateral - free - 1, MARKET) < debt


def test_nothing_is_free_below_water_or_without_a_price() -> None:
    holding = Holding(0, shares(6_000), 2 * 10**18)
    assert free_collateral(holding, MARKET) == 0
    assert free_collateral(holding, replace(MARKET, price=0)) == 0
    assert free_collateral(Holding(0, 0, 7), replace(MARKET, price=0)) == 7


def test_a_lender_can_take_what_is_there() -> None:
    holding = Holding(1_500_000_000_000_000, 0, 0)
    assert supplied(holding, MARKET) == 1_500_000_000
    account = decode_supply(USER, holding, MARKET, AT)
    assert (account.equity_usd, account.mm_requirement_usd, account.withdrawable_usd) == (1_500, 0, 1_000)
    assert account.sub_account == "0x00010203/supply"
    assert account.positions[0].kind is PositionKind.HOLDING


# --- the reader over a table of answers ---

PARAMS = (USDC, WETH, ORACLE, IRM, MARKET.lltv)
TUPLE = ("address", "address", "address", "address", "uint256")
RAW = (TOTALS.supply_assets, TOTALS.supply_shares, TOTALS.borrow_assets, TOTALS.borrow_shares, NOW - 10, 0)
AFTER = (2_105_166_666, TOTALS.supply_shares, 1_105_166_666, TOTALS.borrow_shares, NOW, 0)
HEALTHY = bytes.fromhex("08c379a0") + encode(["string"], ["position is healthy"])


class Accruing(FakeChainClient):
    """Like Multicall3 in one call: the market read behind accrueInterest sees its result."""

    after: tuple[int, ...] = AFTER

    async def call(self, asked: list, at: BlockRef) -> tuple[CallResult, ...]:
        results = await super().call(asked, at)
        accrue = [i for i, call in enumerate(asked) if call.data[:4] == calls._ACCRUE.selector]
        fresh = {i + 1: CallResult(True, encode(["uint128"] * 6, self.after)) for i in accrue}
        return tuple(fresh.get(i, result) for i, result in enumerate(results))


def a_client(held: tuple[int, int, int] = (0, shares(800), 2 * 10**18), verdict: bytes = HEALTHY) -> Accruing:
    client = Accruing(CHAIN)
    client.set(calls._FEE_RECIPIENT, MORPHO, (), encode(["address"], [IRM]))
    client.set(calls._PARAMS, MORPHO, (ID,), encode(TUPLE, PARAMS))
    client.set(calls._MARKET, MORPHO, (ID,), encode(["uint128"] * 6, RAW))
    client.set(calls._POSITION, MORPHO, (ID, OWNER), encode(["uint256", "uint128", "uint128"], held))
    client.set(calls._PRICE, ORACLE, (), encode(["uint256"], [MARKET.price]))
    client.set(calls._RATE, IRM, (PARAMS, RAW), encode(["uint256"], [10**16]))
    client.set(calls._ACCRUE, MORPHO, (PARAMS,), b"")
    tried = calls._LIQUIDATE.call(MORPHO, PARAMS, OWNER, 1, 0, b"")
    client.answers[MORPHO, tried.data] = CallResult(False, verdict)
    return client


async def read(client: FakeChainClient, cut: Cut | None = None, assets: tuple = (LOAN, ETHER)) -> ReadResult:
    names = {"morpho": MORPHO, f"market:0x{ID.hex()}": ORACLE}
    deployment = ChainDeployment(CHAIN, "test", MORPHO, assets, {VENUE: names})
    return await MorphoReader(client, deployment).read([USER], cut or Cut({CHAIN: AT}))


def reasons(result: ReadResult) -> list[str]:
    assert result.accounts == ()
    return [failure.reason for failure in result.failures]


async def test_a_loan_is_read_with_the_contracts_own_accrual() -> None:
    (account,) = (await read(a_client())).accounts
    assert account.liquidatable is False
    assert all(check.ours == check.theirs for check in account.checks)
    assert account.mm_requirement_usd == Decimal("884.133333")  # 800 x 1,105,166,667 / 1,000,000,001, up


async def test_ours_never_comes_from_theirs() -> None:
    client = a_client()
    client.after = (*AFTER[:2], AFTER[2] + 5, *AFTER[3:])
    (account,) = (await read(client)).accounts
    wrong = {check.name: check.theirs - check.ours for check in account.checks if check.ours != check.theirs}
    assert wrong == {"market_borrow_assets_usd": Decimal("0.000005")}
    assert account.mm_requirement_usd == Decimal("884.133333")


@pytest.mark.parametrize("reason", calls.PAST_THE_CHECK[:4])
async def test_a_try_that_fails_behind_the_check_is_liquidatable(reason: str) -> None:
    data = bytes.fromhex("08c379a0") + encode(["string"], [reason])
    (account,) = (await read(a_client(verdict=data))).accounts
    assert account.liquidatable


async def test_a_loan_without_collateral_is_liquidatable() -> None:
    panic = bytes.fromhex("4e487b71") + encode(["uint256"], [0x11])
    (account,) = (await read(a_client((0, shares(1), 0), panic))).accounts
    assert account.liquidatable
    assert account.surplus_usd is not None
    assert account.surplus_usd < 0


async def test_a_try_that_says_nothing_is_a_failure() -> None:
    result = await read(a_client(verdict=b""))
    assert reasons(result) == ["reverted"]
    assert "does not tell" in result.failures[0].detail


async def test_nothing_held_is_silence() -> None:
    assert await read(a_client((0, 0, 0))) == ReadResult()


async def test_no_block_fails_every_account() -> None:
    assert reasons(await read(a_client(), Cut({}))) == ["no_block"]


async def test_no_contract_is_no_code() -> None:
    client = a_client()
    client.answers = {key: CallResult(True, b"") for key in client.answers}
    assert reasons(await read(client)) == ["no_code"]


async def test_a_loan_token_without_dollars_is_an_unknown_mode() -> None:
    assert reasons(await read(a_client(), assets=(replace(LOAN, peg=""), ETHER))) == ["unknown_mode"]


async def test_an_unregistered_collateral_is_an_unknown_mode() -> None:
    assert reasons(await read(a_client(), assets=(LOAN,))) == ["unknown_mode"]


async def test_another_oracle_than_the_deployments_is_an_unknown_mode() -> None:
    client = a_client()
    client.set(calls._PARAMS, MORPHO, (ID,), encode(TUPLE, (*PARAMS[:2], MORPHO, *PARAMS[3:])))
    assert reasons(await read(client)) == ["unknown_mode"]


async def test_a_chain_client_that_shares_no_state_is_noticed() -> None:
    client = a_client()
    client.after = RAW
    result = await read(client)
    assert reasons(result) == ["undecodable"]
    assert "tried accrual stands at" in result.failures[0].detail


@pytest.mark.parametrize("function", [calls._PRICE, calls._RATE])
async def test_a_silent_oracle_or_rate_model_is_a_failure(function: object) -> None:
    client = a_client()
    client.answers = {k: v for k, v in client.answers.items() if k[1][:4] != function.selector}  # type: ignore[attr-defined]
    assert reasons(await read(client)) == ["reverted"]
