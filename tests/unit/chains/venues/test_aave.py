"""Aave v3.0 arithmetic and decoding, without a chain."""

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from eth_abi.abi import encode

from chains.accounts import PositionKind, ReadResult
from chains.caip import Address, ChainId, account_id, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.types import BlockRef, Cut, Finality
from chains.venues.aave import VENUE, AaveReader
from chains.venues.aave import reader as calls
from chains.venues.aave.account import decode_account
from chains.venues.aave.fixed_point import (
    BPS,
    RAY,
    WAD,
    compounded_interest,
    debt_index,
    income_index,
    linear_interest,
    percent_mul,
    ray_mul,
    wad_div,
)
from chains.venues.aave.market import AccountData, EMode, Market, Reserve, UserState, decode_reserve
from tests.kit.transport import FakeChainClient, a_block

CHAIN = ChainId("eip155:1")
WETH, USDC, DAI = (Address("0x" + digit * 40) for digit in "123")
POOL, PROVIDER, ORACLE, A_WETH, S_WETH, V_WETH = (Address("0x" + digit * 40) for digit in "456789")
USER = account_id(CHAIN, Address("0x" + "77" * 20))
AT = BlockRef(CHAIN, 100, "0x" + "01" * 32, "0x" + "02" * 32, 1_700_000_000, Finality.LATEST)
NO_DATA = AccountData(0, 0, 0, 0, 0, 2**256 - 1)


def a_reserve(number: int, token: Address, **changes: object) -> Reserve:
    terms = {
        "id": number, "token": token, "decimals": 18, "ltv": 8000, "threshold": 8300, "bonus": 10500,
        "active": True, "paused": False, "siloed": False, "emode": 0, "debt_ceiling_usd": Decimal(0),
        "supply_index": RAY, "supply_rate": RAY // 50, "borrow_index": RAY, "borrow_rate": RAY // 25,
        "a_token": A_WETH, "stable_debt_token": S_WETH, "variable_debt_token": V_WETH,
    }  # fmt: skip
    return Reserve(**{**terms, **changes})  # type: ignore[arg-type]


def a_market(*reserves: Reserve, emodes: tuple[EMode, ...] = (), **prices: int) -> Market:
    tokens = {"WETH": WETH, "USDC": USDC, "DAI": DAI}
    return Market(
        at=AT,
        base_unit=10**8,
        reserves=reserves,
        emodes={emode.id: emode for emode in emodes},
        prices={tokens[symbol]: price for symbol, price in prices.items()},
        liquidity=dict.fromkeys(tokens.values(), 10**30),
        names={token: (erc20(CHAIN, token), symbol) for symbol, token in tokens.items()},
    )


MIXED = a_market(
    a_reserve(0, WETH), a_reserve(1, USDC, decimals=6, threshold=8000), a_reserve(2, DAI, threshold=7701),
    WETH=3000 * 10**8, USDC=10**8, DAI=10**8,
)  # fmt: skip


def test_products_round_half_up() -> None:
    assert ray_mul(3, RAY // 2) == 2
    assert ray_mul(3, RAY // 2 - 1) == 1
    assert percent_mul(1, 5000) == 1
    assert percent_mul(1, 4999) == 0
    assert wad_div(1, 3) == WAD // 3
    assert wad_div(2, 3) == 2 * WAD // 3 + 1


def test_interest_of_a_year_by_hand() -> None:
    # 5 % for one year: linear exactly 1.05; three binomial terms give 1 + 0.05 + 0.05²/2 + 0.05³/6, of which the
    # integer division of the cubed rate by the year loses up to a third of the last (3.98 becomes 3).
    year = 365 * 86_400
    assert linear_interest(RAY // 20, year) == RAY + RAY // 20
    assert abs(Decimal(compounded_interest(RAY // 20, year)) / RAY - Decimal("1.0512708333")) < Decimal("1e-5")
    assert compounded_interest(RAY // 20, 0) == RAY
    assert compounded_interest(RAY // 20, 1) == RAY + RAY // 20 // year
    assert income_index(2 * RAY, RAY, 0) == debt_index(2 * RAY, RAY, 0) == 2 * RAY
    assert income_index(2 * RAY, RAY // 20, year) == 2 * RAY + RAY // 10


if VECTORS := os.environ.get("CROSSMARGIN_VECTORS"):

    def test_arithmetic_agrees_with_the_numbers_of_others() -> None:
        cases = json.loads((Path(VECTORS) / "lending_health.json").read_text())
        for case in cases["aave_hf"]:
            health = wad_div(percent_mul(int(case["coll"]), case["lt_bps"]), int(case["debt"]))
            assert abs(health / WAD - case["hf"]) < 1e-15
        case = cases["aave_linear_interest"]
        assert linear_interest(int(case["rate"]), int(case["dt"])) == int(case["expected_ray"])
        case = cases["aave_compounded_interest"]
        # aave-utilities first cuts the rate to whole rays per second, the pool no longer does: dt rays at most.
        difference = compounded_interest(int(case["rate"]), int(case["dt"])) - int(case["expected_ray"])
        assert 0 <= difference <= int(case["dt"])
        case = cases["aave_linear_balance"]
        index = income_index(int(case["index"]), int(case["rate"]), int(case["dt"]))
        assert ray_mul(int(case["scaled"]), index) == int(case["expected"])


def test_reserve_words_are_read_bit_by_bit() -> None:
    bits = 8050 | 8300 << 16 | 10500 << 32 | 18 << 48 | 1 << 56 | 1 << 60 | 1 << 62 | 3 << 168 | 123_45 << 212
    words = [
        bits,
        RAY,
        RAY // 10,
        2 * RAY,
        RAY // 5,
        0,
        AT.timestamp - 3600,
        7,
        A_WETH,
        S_WETH,
        V_WETH,
        WETH,
        0,
        0,
        0,
    ]
    reserve = decode_reserve(WETH, words, AT)
    assert (reserve.id, reserve.ltv, reserve.threshold, reserve.bonus, reserve.decimals) == (
        7,
        8050,
        8300,
        10500,
        18,
    )
    assert (reserve.active, reserve.paused, reserve.siloed, reserve.emode) == (True, True, True, 3)
    assert reserve.withdrawals_open is False
    assert reserve.debt_ceiling_usd == Decimal("123.45")
    assert reserve.supply_index == income_index(RAY, RAY // 10, 3600)
    assert reserve.borrow_index == debt_index(2 * RAY, RAY // 5, 3600)
    assert (reserve.a_token, reserve.stable_debt_token, reserve.variable_debt_token) == (A_WETH, S_WETH, V_WETH)


def test_health_comes_from_the_average_threshold_cut_to_whole_bps() -> None:
    # 3000 at 83 % and 2000 at 80 % and 1000 at 77.01 %: the average 8100.1666 bps counts as 8100.
    user = UserState(
        configuration=0b10_11_10,
        emode=0,
        supplied={0: WAD, 1: 2000 * 10**6, 2: 1000 * WAD},
        variable_debt={1: 4000 * 10**6},
        stable_debt={},
        stable_rates={},
        own=AccountData(6000 * 10**8, 4000 * 10**8, 0, 8100, 0, 1215 * 10**15),
    )
    account = decode_account(USER, MIXED, user)
    assert account is not None
    assert (account.equity_usd, account.mm_requirement_usd, account.surplus_usd) == (4860, 4000, 860)
    assert [check.rel_error for check in account.checks] == [0, 0, 0, 0]
    assert account.liquidatable is False
    prices = {e.instrument: e for e in account.exposures}
    assert len(prices) == 3
    equity = sum(e.equity * e.instrument.venue_price_usd for e in account.exposures)  # type: ignore[union-attr,misc,operator]
    assert abs(equity - 4860) < Decimal("1e-20")


def test_a_wrong_figure_of_ours_shows() -> None:
    own = AccountData(3001 * 10**8, 0, 0, 8300, 0, 2**256 - 1)
    account = decode_account(USER, MIXED, UserState(0b10, 0, {0: WAD}, {}, {}, {}, own))
    assert account is not None
    assert account.checks[0].rel_error > Decimal("3e-4")


def test_a_supply_that_is_no_collateral_has_value_but_no_equity() -> None:
    account = decode_account(USER, MIXED, UserState(0, 0, {0: 2 * WAD}, {}, {}, {}, NO_DATA))
    assert account is not None
    assert (account.equity_usd, account.mm_requirement_usd, account.liquidatable) == (0, 0, False)
    assert [(e.value, e.equity) for e in account.exposures] == [(2, 0)]
    assert account.positions[0].kind is PositionKind.HOLDING
    assert account.withdrawable_usd == 6000


def test_a_threshold_of_zero_is_never_collateral_even_in_an_e_mode() -> None:
    market = a_market(
        a_reserve(0, WETH, threshold=0, emode=1), emodes=(EMode(1, 9300, 9500, None),), WETH=3000 * 10**8
    )
    account = decode_account(USER, market, UserState(0b10, 1, {0: WAD}, {}, {}, {}, NO_DATA))
    assert account is not None
    assert account.equity_usd == 0
    assert [check.rel_error for check in account.checks] == [0, 0, 0]
    assert account.positions[0].kind is PositionKind.HOLDING


def test_both_kinds_of_debt_count() -> None:
    own = AccountData(3000 * 10**8, 1500 * 10**8, 0, 8300, 0, 166 * 10**16)
    user = UserState(0b010010, 0, {0: WAD}, {2: 1000 * WAD}, {2: 500 * WAD}, {}, own)
    account = decode_account(USER, MIXED, user)
    assert account is not None
    assert account.mm_requirement_usd == 1500
    assert [check.rel_error for check in account.checks] == [0, 0, 0, 0]
    assert [p.label for p in account.positions] == ["WETH collateral", "DAI variable debt", "DAI stable debt"]
    assert [p.size for p in account.positions] == [1, -1000, -500]
    (debt,) = (e for e in account.exposures if e.requirement)
    assert (debt.value, debt.requirement) == (-1500, 1500)


def test_carry_is_what_debts_cost_less_what_collateral_earns() -> None:
    user = UserState(0b010010, 0, {0: WAD}, {2: 1000 * WAD}, {2: 500 * WAD}, {2: RAY // 10}, NO_DATA)
    account = decode_account(USER, MIXED, user)
    assert account is not None
    # 1000 at 4 % and 500 at 10 %, less 2490 of equity at 2 %, a day
    assert abs(account.carry_usd_per_day - (40 + 50 - Decimal("49.8")) / 365) < Decimal("1e-20")
    assert account.positions[2].details["rate_per_year"] == "0.100000"


def test_an_e_mode_raises_the_threshold_of_its_category_only() -> None:
    market = a_market(
        a_reserve(0, WETH), a_reserve(1, USDC, decimals=6, threshold=8000, emode=1),
        emodes=(EMode(1, 9300, 9500, None),), WETH=3000 * 10**8, USDC=10**8,
    )  # fmt: skip
    supplied = {0: WAD, 1: 3000 * 10**6}
    for emode, equity in ((0, 2490 + 2400), (1, 2490 + 2850)):
        account = decode_account(USER, market, UserState(0b1010, emode, supplied, {}, {}, {}, NO_DATA))
        assert account is not None
        assert account.equity_usd == equity


def test_an_e_mode_priced_by_an_unknown_source_says_so() -> None:
    market = a_market(a_reserve(1, USDC, decimals=6, emode=2), emodes=(EMode(2, 9300, 9500, ORACLE),), USDC=10**8)
    with pytest.raises(LookupError, match="USDC: the pool's oracle has no price"):
        decode_account(USER, market, UserState(0b1000, 2, {1: 10**6}, {}, {}, {}, NO_DATA))
    priced = Market(
        AT, 10**8, market.reserves, market.emodes, {**market.prices, ORACLE: 2 * 10**8}, {}, market.names
    )
    account = decode_account(USER, priced, UserState(0b1000, 2, {1: 10**6}, {}, {}, {}, NO_DATA))
    assert account is not None
    assert account.equity_usd == Decimal("1.9")
    assert "which is not a registered asset" in account.degraded[0]
    assert account.withdrawable_usd is None


def test_a_token_outside_the_deployment_makes_the_account_degraded() -> None:
    market = a_market(a_reserve(0, ORACLE), WETH=1)
    market = Market(AT, 10**8, market.reserves, {}, {ORACLE: 10**8}, {}, market.names)
    account = decode_account(USER, market, UserState(0b10, 0, {0: WAD}, {}, {}, {}, NO_DATA))
    assert account is not None
    assert ORACLE in account.degraded[0]
    assert account.positions[0].asset == erc20(CHAIN, ORACLE)


def test_a_missing_price_of_what_counts_is_refused() -> None:
    market = a_market(a_reserve(0, WETH))
    for user in (
        UserState(0b10, 0, {0: WAD}, {}, {}, {}, NO_DATA),
        UserState(0b01, 0, {}, {0: WAD}, {}, {}, NO_DATA),
    ):
        with pytest.raises(LookupError, match="WETH"):
            decode_account(USER, market, user)


@pytest.mark.parametrize(
    ("debt", "withdrawable"),
    [
        # 4860 of equity; the lowest threshold leaves first: DAI at 77.01 %, then USDC at 80 %. Of the surplus 1 bp
        # of the collateral, 0.6, is kept back: the average threshold may be cut by that much afterwards.
        (0, 6000),
        (4860, 0),
        (4859, Decimal("0.4") / Decimal("0.7701")),
        (4000, 1000 + (860 - Decimal("0.6") - Decimal("770.1")) / Decimal("0.8")),
    ],
)
def test_withdrawable_takes_the_lowest_threshold_first(debt: int, withdrawable: Decimal) -> None:
    supplied = {0: WAD, 1: 2000 * 10**6, 2: 1000 * WAD}
    user = UserState(0b10_11_10 if debt else 0b10_10_10, 0, supplied, {1: debt * 10**6}, {}, {}, NO_DATA)
    account = decode_account(USER, MIXED, user)
    assert account is not None
    assert account.withdrawable_usd is not None
    assert abs(account.withdrawable_usd - withdrawable) < Decimal("1e-6")
    assert account.withdrawable_usd <= withdrawable


def test_collateral_without_ltv_leaves_before_any_other() -> None:
    market = a_market(a_reserve(0, WETH), a_reserve(1, USDC, decimals=6, ltv=0), WETH=3000 * 10**8, USDC=10**8)
    supplied = {0: 2 * WAD, 1: 100 * 10**6}
    account = decode_account(USER, market, UserState(0b1011, 0, supplied, {0: WAD}, {}, {}, NO_DATA))
    assert account is not None
    assert account.withdrawable_usd == 100


def test_a_paused_reserve_lets_nothing_out() -> None:
    market = a_market(a_reserve(0, WETH, paused=True), WETH=3000 * 10**8)
    account = decode_account(USER, market, UserState(0b10, 0, {0: WAD}, {}, {}, {}, NO_DATA))
    assert account is not None
    assert account.withdrawable_usd == 0


# --- the reader's refusals, on a client that answers from a table ---

DEPLOYMENT = ChainDeployment(
    CHAIN, "test", PROVIDER, (AssetInfo(erc20(CHAIN, WETH), "WETH", 18, "ETH", "ETH"),), {VENUE: {"pool": POOL}}
)


def answering(revision: int = 1, currency: str = "0x" + "0" * 40, configuration: int = 0b10) -> FakeChainClient:
    """A pool with one reserve in which the user has one WETH."""
    client, user = FakeChainClient(CHAIN), Address("0x" + "77" * 20)
    bits = 8050 | 8300 << 16 | 10500 << 32 | 18 << 48 | 1 << 56
    words = [bits, RAY, 0, RAY, 0, 0, client.timestamp, 0, A_WETH, S_WETH, V_WETH, WETH, 0, 0, 0]
    kinds = ["uint256"] * 8 + ["address"] * 4 + ["uint256"] * 3
    own = (3000 * 10**8, 0, 0, 8300, 8050, 2**256 - 1)
    for function, to, arguments, types, values in (
        (calls.PROVIDER, POOL, [], ["address"], [PROVIDER]),
        (calls.REVISION, POOL, [], ["uint256"], [revision]),
        (calls.RESERVES, POOL, [], ["address[]"], [[WETH]]),
        (calls.CONFIGURATION, POOL, [user], ["uint256"], [configuration]),
        (calls.USER_EMODE, POOL, [user], ["uint256"], [0]),
        (calls.ACCOUNT_DATA, POOL, [user], ["uint256"] * 6, own),
        (calls.ORACLE, PROVIDER, [], ["address"], [ORACLE]),
        (calls.RESERVE_DATA, POOL, [WETH], kinds, words),
        (calls.BASE_CURRENCY, ORACLE, [], ["address"], [currency]),
        (calls.BASE_UNIT, ORACLE, [], ["uint256"], [10**8]),
        (calls.PRICE, ORACLE, [WETH], ["uint256"], [3000 * 10**8]),
        (calls.BALANCE, WETH, [A_WETH], ["uint256"], [WAD]),
        (calls.SCALED, A_WETH, [user], ["uint256"], [WAD]),
    ):
        client.set(function, to, arguments, encode(types, values))
    return client


async def read(client: FakeChainClient, cut: Cut | None = None) -> ReadResult:
    block = a_block(CHAIN, 100, client.timestamp)
    other = account_id(ChainId("eip155:10"), Address("0x" + "77" * 20))
    return await AaveReader(client, DEPLOYMENT).read([USER, other], cut or Cut({CHAIN: block}))


async def test_a_supplier_is_read_in_three_rounds() -> None:
    (account,) = (await read(answering())).accounts
    assert (account.account, account.equity_usd) == (USER, 2490)
    assert [check.rel_error for check in account.checks] == [0, 0, 0]
    assert account.id == f"{USER}/aave-v3"


@pytest.mark.parametrize(
    ("revision", "wanted"), [(4, "pool revision 4 is none of 1 (v3.0)"), (11, "pool revision 11")]
)
async def test_a_later_pool_is_refused(revision: int, wanted: str) -> None:
    (failure,) = (await read(answering(revision=revision))).failures
    assert (failure.account, failure.reason) == (USER, "unknown_mode")
    assert wanted in failure.detail


async def test_an_oracle_that_counts_in_ether_is_refused() -> None:
    (failure,) = (await read(answering(currency=WETH))).failures
    assert failure.reason == "unknown_mode"
    assert WETH in failure.detail


async def test_a_chain_without_block_fails_with_the_cuts_reason() -> None:
    (failure,) = (await read(answering(), Cut({}, {CHAIN: "endpoint 1: timed out"}))).failures
    assert (failure.reason, failure.detail) == ("no_block", "endpoint 1: timed out")


async def test_an_unreadable_balance_is_a_failure_and_not_zero() -> None:
    client = answering()
    del client.answers[A_WETH, calls.SCALED.call(A_WETH, Address("0x" + "77" * 20)).data]
    result = await read(client)
    assert result.accounts == ()
    assert [f.reason for f in result.failures] == ["reverted"]


async def test_an_answer_of_the_wrong_size_is_undecodable() -> None:
    client = answering()
    client.set(calls.USER_EMODE, POOL, [Address("0x" + "77" * 20)], b"\x01")
    (failure,) = (await read(client)).failures
    assert failure.reason == "undecodable"
    client.set(calls.RESERVE_DATA, POOL, [WETH], b"\x01" * 33)
    assert [f.reason for f in (await read(client)).failures] == ["undecodable"]


async def test_unknown_liquidity_makes_withdrawable_unknown() -> None:
    client = answering()
    del client.answers[WETH, calls.BALANCE.call(WETH, A_WETH).data]
    (account,) = (await read(client)).accounts
    assert account.withdrawable_usd is None
    assert account.equity_usd == 2490


def test_bps_are_ten_thousandths() -> None:
    assert BPS == 10_000
