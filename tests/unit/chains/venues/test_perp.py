"""Perp v2's rule on states made by hand, and what the reader refuses. Figures worked out on paper."""

from dataclasses import replace
from decimal import Decimal
from math import isqrt

import pytest
from eth_abi.abi import encode

from chains.accounts import PositionKind, ReadResult
from chains.deployments import ChainDeployment
from chains.instruments import Fixed, Perp, Spot
from chains.types import CallResult, Cut
from chains.venues.perp import VENUE, PerpReader
from chains.venues.perp import reader as calls
from chains.venues.perp.decode import decode_account
from chains.venues.perp.rule import (
    Collateral,
    CollateralRules,
    Leg,
    Market,
    bound_requirement,
    figures,
    funding_premium,
)
from tests.kit.perp import (
    AT,
    BTC,
    CHAIN,
    ETH,
    PARAMS,
    TOKEN,
    USDC,
    USER,
    V_ETH,
    WBTC,
    a_leg,
    a_state,
    wad,
)
from tests.kit.transport import FakeChainClient

LONG = a_leg(ETH, 10, -30_000, 2_900, funding="12.5")
SHORT = a_leg(BTC, -1, 60_000, 61_000)


def test_a_long_by_hand() -> None:
    own = figures(a_state(LONG, usdc=100_000, owed=500), PARAMS)
    assert own.settled == wad("100487.5")  # 100,000 + 500 - 12.5
    assert own.pnl == wad(-1_000)
    assert own.value_units == 99_487_500_000
    assert own.requirement == wad("1812.5")  # 29,000 x 6.25 %
    assert own.free_units == 96_487_500_000  # account value - 10 % of 30,000 quote


def test_a_short_owes_base_at_the_mark() -> None:
    own = figures(a_state(LONG, SHORT, usdc=100_000), PARAMS)
    # quote: -30,000 + 60,000 owes nothing; base: 61,000
    assert own.free_units == (100_000_000_000 - 12_500_000 - 2_000_000_000) - 6_100_000_000
    assert own.requirement == wad("5625")  # (29,000 + 61,000) x 6.25 %


def test_profit_is_not_free() -> None:
    winner = a_leg(ETH, 10, -30_000, 4_000)
    own = figures(a_state(winner, usdc=5_000), PARAMS)
    assert own.value_units == 15_000_000_000
    assert own.free_units == 2_000_000_000  # collateral 5,000 - 3,000, not value 15,000 - 3,000


def test_account_value_is_cut_downwards_on_both_sides_of_zero() -> None:
    assert figures(a_state(usdc=1, owed="0.0000009"), PARAMS).value_units == 1_000_000
    assert figures(a_state(owed="-0.0000001"), PARAMS).value_units == -1


def test_position_value_is_rounded_toward_zero() -> None:
    tiny = Leg(Market(ETH, "open", 1), -(10**18) - 1, 0, 0)
    assert tiny.value == -1
    assert replace(tiny, taker_size=10**18 + 1).value == 1


@pytest.mark.parametrize(("size", "counted"), [(9, 0), (-9, 0), (10, 10), (-10, -10)])
def test_dust_counts_as_nothing(size: int, counted: int) -> None:
    assert Leg(Market(ETH, "open", wad(1)), size, 0, 0).size == counted


def test_maker_liquidity_adds_to_size_and_notional() -> None:
    maker = replace(
        LONG,
        has_orders=True,
        base_in_pool=wad(5),
        base_debt=wad(7),
        quote_in_pool=wad(9_000),
        quote_debt=wad(3_000),
    )
    assert (maker.size, maker.notional) == (wad(8), wad(-24_000))
    account = decode_account(USER, a_state(maker, usdc=1_000), PARAMS, AT)
    assert any("maker liquidity" in reason for reason in account.degraded)


def test_collateral_of_few_and_of_many_decimals() -> None:
    wbtc = replace(TOKEN, symbol="WBTC", decimals=8)
    assert Collateral(wbtc, 2 * 10**8, 60_000 * 10**8, 8, 700_000).counted == wad(84_000)
    deep = replace(TOKEN, symbol="DEEP", decimals=20)
    assert Collateral(deep, 199, 10**8, 8, 10**6).counted == 1  # divided by 100 after the price


def test_other_collateral_brings_earlier_rules() -> None:
    rules = CollateralRules(mm_ratio=64_500, debt_ratio=500_000, debt_limit=10_000_000_000)
    held = Collateral(replace(TOKEN, decimals=18), wad(8_000), 10**8, 8, 10**6)
    calm = a_state(LONG, usdc=2_000, collaterals=(held,), rules=rules)
    assert bound_requirement(calm, figures(calm, PARAMS), PARAMS) == (wad("1870.5"), 0)  # 29,000 x 6.45 %
    # 5,000 owed against half of 8,000: beyond the limit by 1,000, though equity is 3,000
    owing = a_state(owed=-5_000, collaterals=(held,), rules=rules)
    assert bound_requirement(owing, figures(owing, PARAMS), PARAMS) == (wad(4_000), wad(4_000))
    assert decode_account(USER, owing, PARAMS, AT).surplus_usd == -1_000
    # 11,000 owed is above the limit of 10,000 whatever the collateral
    rich = a_state(owed=-11_000, collaterals=(replace(held, balance=wad(80_000)),), rules=rules)
    assert decode_account(USER, rich, PARAMS, AT).surplus_usd == -1_000


def test_funding_is_bounded_by_a_share_of_the_index() -> None:
    sqrt_3000 = isqrt(3000 * 2**192)
    assert abs(funding_premium(sqrt_3000, wad(2_990), 100_000) - wad(10)) < 10**6
    assert funding_premium(sqrt_3000, wad(2_000), 100_000) == wad(200)
    assert funding_premium(sqrt_3000, wad(4_000), 100_000) == wad(-400)
    paying = replace(LONG, market=replace(LONG.market, premium=wad(3)))
    assert decode_account(USER, a_state(paying), PARAMS, AT).carry_usd_per_day == 30


def test_exposures_book_the_dollar_at_par_and_hold_the_token() -> None:
    account = decode_account(USER, a_state(LONG, usdc=100_000, owed=500), PARAMS, AT)
    token, cash, perp = account.exposures
    assert token.instrument == Spot(TOKEN.asset)
    assert (token.value, token.equity) == (Decimal("99487.5"), 0)
    assert cash.instrument == Fixed()
    assert (cash.value, cash.equity) == (-29_000, Decimal("70487.5"))
    assert isinstance(perp.instrument, Perp)
    assert perp.instrument.venue_price_usd == 2_900
    assert (perp.value, perp.equity, perp.requirement) == (10, 10, Decimal("0.625"))


@pytest.mark.parametrize("status", ["paused", "closed"])
def test_a_frozen_market_moves_with_nothing(status: str) -> None:
    frozen = a_leg(ETH, 10, -30_000, 2_900, status=status)
    account = decode_account(USER, a_state(frozen, usdc=10_000), PARAMS, AT)
    assert not any(isinstance(exposure.instrument, Perp) for exposure in account.exposures)
    assert account.mm_requirement_usd == Decimal("1812.5")
    assert account.degraded == (f"ETH-PERP: market is {status}, price frozen at 2900.000000000000000000",)


def test_a_settlement_token_that_is_no_dollar_is_said() -> None:
    account = decode_account(USER, a_state(usdc=1), replace(PARAMS, token=replace(TOKEN, peg="")), AT)
    assert account.degraded == ("USDC: booked at one dollar but not registered as a USD stablecoin",)


def test_positions_read_like_the_venue() -> None:
    account = decode_account(USER, a_state(LONG, SHORT, usdc=7), PARAMS, AT)
    assert [position.label for position in account.positions] == [
        "USDC collateral", "ETH-PERP long", "BTC-PERP short",
    ]  # fmt: skip
    assert account.positions[2].kind is PositionKind.PERP
    assert account.positions[2].size == -1


# --- the reader over a table of answers ---

NAMES = ("clearing_house", "account_balance", "vault", "exchange", "order_book", "config", "collateral_manager")
TO = {name: "0x" + f"{number:02x}" * 20 for number, name in enumerate(NAMES, 0xA0)}
OWNER = USER.rpartition(":")[2]
ROUND_ONE = {
    "balance": ("int256", 5_000_000), "bases": ("address[]", []), "tokens": ("address[]", []),
    "account_value": ("int256", wad(5)), "requirement": ("int256", 0), "free": ("uint256", 5_000_000),
}  # fmt: skip


def a_client(**changes: tuple[str, object]) -> FakeChainClient:
    client = FakeChainClient(CHAIN)
    for name, kind, value in (("settlement_token", "address", USDC), ("mm_ratio", "uint24", 62_500),
                              ("im_ratio", "uint24", 100_000), ("twap_s", "uint32", 900),
                              ("max_funding", "uint24", 100_000),
                              ("penalty_ratio", "uint24", 25_000)):  # fmt: skip
        contract, function = calls._SETTINGS[name]
        client.set(function, TO[contract], (), encode([kind], [value]))
    for name, (contract, function) in calls._PER_ACCOUNT.items():
        if name == "pnl":
            client.set(function, TO[contract], (OWNER,), encode(["int256", "int256", "uint256"], [0, 0, 0]))
            continue
        kind, value = {**ROUND_ONE, **changes}[name]
        client.set(function, TO[contract], (OWNER,), encode([kind], [value]))
    return client


async def read(client: FakeChainClient, cut: Cut | None = None, assets: tuple = (TOKEN, ETH)) -> ReadResult:
    deployment = ChainDeployment(CHAIN, "test", TO["vault"], assets, {VENUE: TO})
    return await PerpReader(client, deployment).read([USER], cut or Cut({CHAIN: AT}))


def reasons(result: ReadResult) -> list[str]:
    assert result.accounts == ()
    return [failure.reason for failure in result.failures]


async def test_cash_alone_is_read_in_one_round() -> None:
    client = a_client()
    (account,) = (await read(client)).accounts
    assert (account.equity_usd, account.mm_requirement_usd, account.liquidatable) == (5, 0, False)
    assert account.withdrawable_usd == 5
    assert len(client.asked) == 13


async def test_nothing_held_is_silence() -> None:
    result = await read(a_client(balance=("int256", 0)))
    assert result == ReadResult()


async def test_accounts_of_other_chains_are_ignored() -> None:
    deployment = ChainDeployment(CHAIN, "test", TO["vault"], (TOKEN,), {VENUE: TO})
    other = USER.replace("eip155:10:", "eip155:1:")
    assert await PerpReader(a_client(), deployment).read([other], Cut({CHAIN: AT})) == ReadResult()


async def test_no_block_fails_every_account_with_the_cuts_reason() -> None:
    result = await read(a_client(), Cut({}, {CHAIN: "endpoint down"}))
    assert reasons(result) == ["no_block"]
    assert result.failures[0].detail == "endpoint down"


async def test_no_contract_is_no_code() -> None:
    client = a_client()
    client.answers = {key: CallResult(True, b"") for key in client.answers}
    assert reasons(await read(client)) == ["no_code"]


async def test_a_refused_read_fails_its_account() -> None:
    client = a_client()
    contract, function = calls._PER_ACCOUNT["account_value"]
    client.answers[TO[contract], function.call(TO[contract], OWNER).data] = CallResult(False, b"")
    assert reasons(await read(client)) == ["reverted"]


async def test_a_cut_answer_is_undecodable() -> None:
    client = a_client()
    contract, function = calls._PER_ACCOUNT["balance"]
    client.set(function, TO[contract], (OWNER,), b"\x01")
    assert reasons(await read(client)) == ["undecodable"]


async def test_an_unregistered_settlement_token_is_an_unknown_mode() -> None:
    result = await read(a_client(), assets=())
    assert reasons(result) == ["unknown_mode"]
    assert USDC in result.failures[0].detail


async def test_a_position_whose_market_does_not_answer_is_a_failure() -> None:
    assert reasons(await read(a_client(bases=("address[]", [V_ETH])))) == ["reverted"]


async def test_an_order_book_without_code_is_a_failure_of_the_account() -> None:
    client = a_client(bases=("address[]", [V_ETH]))
    contract, function = calls._PER_LEG["orders"]
    client.set(function, TO[contract], (OWNER, V_ETH), b"")
    contract, function = calls._PER_LEG["info"]
    client.set(function, TO[contract], (OWNER, V_ETH), b"")
    assert reasons(await read(client)) == ["no_code"]


async def test_collateral_whose_terms_do_not_answer_is_a_failure() -> None:
    assert reasons(await read(a_client(tokens=("address[]", [WBTC])))) == ["reverted"]
