"""Unsigned calls against the contracts' own signatures (selectors from their ABIs) and their limits."""

from decimal import Decimal

import pytest
from eth_abi.abi import decode

from chains.accounts import Position, PositionKind, VenueAccount, VenueId
from chains.caip import Address, ChainId, account_id, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.instruments import Exposure, Option
from chains.transactions import approve
from chains.types import BlockRef, Finality
from chains.venues.aave import calldata as aave
from chains.venues.across import calldata as across
from chains.venues.compound import calldata as compound
from chains.venues.lyra import calldata as lyra
from chains.venues.morpho import calldata as morpho
from chains.venues.perp import calldata as perp
from chains.venues.synthetix import calldata as synthetix
from chains.venues.uniswap import calldata as uniswap

CHAIN, OTHER = ChainId("eip155:10"), ChainId("eip155:8453")
OWNER = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
TOKEN = Address("0x7F5c764cBc14f9669B88837ca1490cCa17c31607")
POOL = Address("0x794a61358D6845594F94dc1DB02A252b5b4814aD")
USDC = AssetInfo(erc20(CHAIN, TOKEN), "USDC", 6, "USDC", "USDC", "", "USD")
SUSD = AssetInfo(erc20(CHAIN, TOKEN), "sUSD", 18, "sUSD", "sUSD", "", "USD")
BASE = erc20(CHAIN, Address("0x8C835DFaA34e2AE61775e80EE29E2c724c6AE2BB"))
VENUES = {
    VenueId("perp-v2"): {"vault": POOL, "clearing_house": POOL},
    VenueId("aave-v3"): {"pool": POOL},
    VenueId("across"): {"spoke_pool": POOL},
    VenueId("morpho-blue"): {"morpho": POOL},
    VenueId("compound-v3"): {"cUSDCv3": POOL},
    VenueId("lyra-v1"): {"ETH.option_market": POOL, "ETH.quote_asset": TOKEN},
    VenueId("uniswap-v3"): {"swap_router": POOL},
}
HERE = ChainDeployment(CHAIN, "optimism", POOL, (USDC,), VENUES)


def account(venue="perp-v2", positions=(), sub_account="", exposures=()):
    at = BlockRef(CHAIN, 1, "0x01", "0x00", 1_700_000_000, Finality.LATEST)
    legs, units = tuple(positions), tuple(exposures)
    return VenueAccount(account_id(CHAIN, OWNER), VenueId(venue), sub_account, at, legs, units, Decimal(1),
                        Decimal(0), (), False)  # fmt: skip


def leg(raw):
    return Position(PositionKind.PERP, BASE, "ETH", raw, 18, Decimal(3000))


def order(transaction):
    (found,) = decode(["(address,bool,bool,uint256,uint256,uint256,uint160,bytes32)"], transaction.data[4:])
    return found


def test_selectors_are_those_of_the_contracts():
    # 4byte: ERC-20, Aave v3 Pool, Perp v2 Vault and ClearingHouse
    assert approve(CHAIN, OWNER, TOKEN, POOL, 1).data[:4].hex() == "095ea7b3"
    assert aave.supply(account("aave-v3"), HERE, USDC, 1)[1].data[:4].hex() == "617ba037"
    assert aave.repay(account("aave-v3"), HERE, USDC, 1)[1].data[:4].hex() == "573ade81"
    assert aave.withdraw(account("aave-v3"), HERE, USDC, 1)[0].data[:4].hex() == "69328dec"
    assert perp.deposit(account(), HERE, USDC, 1)[1].data[:4].hex() == "47e7ef24"
    assert perp.withdraw(account(), HERE, USDC, 1)[0].data[:4].hex() == "f3fef3a3"


def test_allowance_is_exactly_what_the_next_call_takes():
    allow, move = perp.deposit(account(), HERE, USDC, 123)
    assert decode(["address", "uint256"], allow.data[4:]) == (POOL.lower(), 123)
    assert decode(["address", "uint256"], move.data[4:]) == (TOKEN.lower(), 123)
    assert (allow.to, move.to, allow.sender, move.chain) == (TOKEN, POOL, OWNER, CHAIN)


def test_long_is_sold_and_short_bought_never_more_than_there_is():
    (sell,) = perp.reduce(account(), HERE, leg(10**20), Decimal("0.25"), 99)
    base, base_to_quote, exact_in, amount, bound, deadline, limit, _ = order(sell)
    assert (base, base_to_quote, exact_in, amount) == (BASE.rpartition(":")[2].lower(), True, True, 25 * 10**18)
    assert (bound, deadline, limit) == (25 * 3000 * 98 * 10**16, 99, 0)
    (buy,) = perp.reduce(account(), HERE, leg(-(10**20)), Decimal(1), 99)
    _, base_to_quote, exact_in, amount, bound, *_ = order(buy)
    assert (base_to_quote, exact_in, amount, bound) == (False, False, 10**20, 100 * 3000 * 102 * 10**16)


@pytest.mark.parametrize("share", ["0", "-0.1", "1.01"])
def test_share_outside_the_position_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        perp.reduce(account(), HERE, leg(10**18), Decimal(share), 99)


def test_nothing_to_close_is_refused():
    with pytest.raises(ValueError, match="nothing to close"):
        perp.reduce(account(), HERE, leg(0), Decimal(1), 99)


def test_bridge_pays_the_same_address_and_rounds_the_fee_up():
    received = AssetInfo(erc20(OTHER, POOL), "USDC", 6, "USDC", "USDC", "", "USD")
    _, call = across.deposit(OWNER, HERE, USDC, received, OTHER, 1_000_001, 5.0, 1_700_000_000)
    types = ["bytes32"] * 4 + ["uint256"] * 3 + ["bytes32"] + ["uint32"] * 3 + ["bytes"]
    data = decode(types, call.data[4:])
    assert data[0] == data[1] == bytes(12) + bytes.fromhex(OWNER[2:])
    assert data[4:7] == (1_000_001, 1_000_001 - 501, 8453)
    assert data[8:10] == (1_700_000_000, 1_700_000_000 + across.FILL_WINDOW_S)


@pytest.mark.parametrize(("raw", "fee_bps"), [(0, 5.0), (100, 10_000.0), (100, 20_000.0), (100, -1.0), (1, 5.0)])
def test_a_fee_that_leaves_nothing_is_refused(raw, fee_bps):
    with pytest.raises(ValueError, match="leaves nothing"):
        across.received_raw(raw, fee_bps, USDC, USDC)


@pytest.mark.parametrize(("decimals", "least"), [(6, 999_500), (18, 999_500 * 10**12), (4, 9_995), (0, None)])
def test_what_arrives_is_in_the_units_of_the_token_there(decimals, least):
    """USDC has 18 decimals on BNB Smart Chain; the deposit's output amount is what a relayer has to pay."""
    there = AssetInfo(erc20(OTHER, POOL), "USDC", decimals, "USDC", "USDC", "", "USD")
    if least is None:
        with pytest.raises(ValueError, match="leaves nothing"):
            across.deposit(OWNER, HERE, USDC, there, OTHER, 1_000_000, 5.0, 1_700_000_000)
        return
    _, call = across.deposit(OWNER, HERE, USDC, there, OTHER, 1_000_000, 5.0, 1_700_000_000)
    assert int.from_bytes(call.data[4 + 4 * 32 : 4 + 5 * 32]) == 1_000_000
    assert int.from_bytes(call.data[4 + 5 * 32 : 4 + 6 * 32]) == least


def test_a_token_of_other_units_than_the_option_market_s_is_refused():
    of = option(-(2 * WAD), "short_call_quote", 5000 * WAD)
    for asked in (
        lambda: lyra.deposit(of, HERE, USDC, 9),
        lambda: lyra.withdraw(of, HERE, USDC, 9),
        lambda: lyra.buy(of, HERE, of.positions[0], USDC, WAD),
    ):
        with pytest.raises(ValueError, match="decimals"):
            asked()


# --- Synthetix: one signed amount in and out, a bound on the price ---

MARKET = {"contract": POOL}


def sized(raw):
    legs = [Position(PositionKind.PERP, BASE, "sETHPERP short", raw, 18, Decimal(3000), MARKET)]
    return account("synthetix-perps-v2", legs, "sETHPERP")


def test_susd_in_and_out_is_one_signed_amount_to_the_market_that_the_legs_name():
    (into,), (out,) = synthetix.deposit(sized(1), 5), synthetix.withdraw(sized(1), 5)
    assert (into.to, into.sender, into.data[:4].hex()) == (POOL, OWNER, "88a3c848")  # transferMargin(int256)
    assert decode(["int256"], into.data[4:]) == (5,)
    assert decode(["int256"], out.data[4:]) == (-5,)
    with pytest.raises(ValueError, match="do not name"):
        synthetix.deposit(account("synthetix-perps-v2"), 5)


@pytest.mark.parametrize(
    ("raw", "share", "delta", "price"), [(-(10**20), "0.5", 5 * 10**19, 3060), (7, "1", -7, 2940)]
)
def test_synthetix_orders_only_make_the_position_smaller(raw, share, delta, price):
    position = sized(raw).positions[0]
    (call,) = synthetix.reduce(sized(raw), position, Decimal(share))
    assert decode(["int256", "uint256"], call.data[4:]) == (delta, price * 10**18)
    for wrong in ("0", "1.1"):
        with pytest.raises(ValueError, match="share"):
            synthetix.reduce(sized(raw), position, Decimal(wrong))


# --- Morpho and Compound ---

LOAN = {
    "loan_token": TOKEN, "collateral_token": POOL, "oracle": POOL, "rate_model": POOL, "lltv": "0.86",
}  # fmt: skip


def loan():
    debt = Position(PositionKind.DEBT, USDC.asset, "USDC debt", -10, 6, Decimal(1), LOAN)
    return account("morpho-blue", [debt], "0x12345678")


def test_morpho_calls_name_the_whole_market():
    params = (TOKEN.lower(), POOL.lower(), POOL.lower(), POOL.lower(), 86 * 10**16)
    market = "(address,address,address,address,uint256)"
    allow, repay = morpho.repay(loan(), HERE, USDC, 9)
    assert decode(["address", "uint256"], allow.data[4:]) == (POOL.lower(), 9)
    assert repay.data[:4].hex() == "20b76e81"
    assert decode([market, "uint256", "uint256", "address", "bytes"], repay.data[4:]) == (
        params, 9, 0, OWNER.lower(), b"",
    )  # fmt: skip
    (out,) = morpho.withdraw_collateral(loan(), HERE, USDC, 9)
    assert out.data[:4].hex() == "8720316d"
    assert decode([market, "uint256", "address", "address"], out.data[4:])[1:] == (9, OWNER.lower(), OWNER.lower())
    (lent,) = morpho.withdraw(loan(), HERE, USDC, 9)
    assert lent.data[:4].hex() == "5c2bea49"
    assert morpho.supply_collateral(loan(), HERE, USDC, 9)[1].data[:4].hex() == "238d6579"
    nameless = account("morpho-blue", [leg(1)])
    with pytest.raises(ValueError, match="do not name loan_token"):
        morpho.repay(nameless, HERE, USDC, 9)


def test_compound_takes_base_and_collateral_by_one_pair_of_functions():
    of = account("compound-v3", sub_account="cUSDCv3")
    allow, supply = compound.supply(of, HERE, USDC, 9)
    assert (allow.to, supply.to, supply.data[:4].hex()) == (TOKEN, POOL, "f2b9fdb8")
    (out,) = compound.withdraw(of, HERE, USDC, 9)
    assert out.data[:4].hex() == "f3fef3a3"
    assert decode(["address", "uint256"], out.data[4:]) == (TOKEN.lower(), 9)


# --- Lyra: options in wads, a bound on every cost ---

TRADE = "(uint256,uint256,uint256,uint8,uint256,uint256,uint256,uint256)"


def option(raw, kind, collateral=0):
    details = {"position_id": "3", "strike_id": "7", "type": kind}
    label = f"ETH 3400 call {'long' if raw > 0 else 'short'}, 2026-12-21"
    legs = [Position(PositionKind.OPTION, BASE, label, raw, 18, Decimal(100), details)]
    if collateral:
        legs.append(Position(PositionKind.COLLATERAL, USDC.asset, "collateral", collateral, 18, Decimal(1)))
    spot = Option(BASE, "lyra-v1:ETH", True, Decimal(3400), 1_800_000_000, Decimal(1), Decimal(0), Decimal(3000))
    return account("lyra-v1", legs, "ETH-3" if raw < 0 else "ETH-long", [Exposure(spot, value=Decimal(1))])


def trade(call):
    (found,) = decode([TRADE], call.data[4:])
    return found


WAD = 10**18


def test_closing_a_short_leaves_the_collateral_less_what_it_may_cost():
    of = option(-10 * WAD, "short_call_quote", 5000 * WAD)
    (half,) = lyra.reduce(of, HERE, Decimal("0.5"))
    worst = 5 * (110 + 60) * WAD  # the mark and a tenth, and two per cent of spot
    assert trade(half) == (7, 3, 1, 3, 5 * WAD, 5000 * WAD - worst, 0, worst)
    (whole,) = lyra.reduce(of, HERE, Decimal(1))
    assert trade(whole)[4:6] == (10 * WAD, 0)
    with pytest.raises(ValueError, match="closing may cost"):
        lyra.reduce(option(-10 * WAD, "short_call_quote", 100 * WAD), HERE, Decimal(1))
    with pytest.raises(ValueError, match="only shorts in quote"):
        lyra.reduce(option(-10 * WAD, "short_call_base", 5 * WAD), HERE, Decimal(1))


def test_collateral_goes_in_by_position_and_out_by_what_is_left():
    of = option(-10 * WAD, "short_put_quote", 5000 * WAD)
    _, into = lyra.deposit(of, HERE, SUSD, 9)
    assert decode(["uint256", "uint256"], into.data[4:]) == (3, 9)
    (out,) = lyra.withdraw(of, HERE, SUSD, 1000 * WAD)
    assert trade(out)[:6] == (7, 3, 1, 4, 0, 4000 * WAD)


def test_options_are_bought_as_a_position_of_their_own_and_sold_for_no_less_than_a_bound():
    of = option(-10 * WAD, "short_call_quote", 5000 * WAD)
    allow, buy = lyra.buy(of, HERE, of.positions[0], SUSD, 2 * WAD)
    assert decode(["address", "uint256"], allow.data[4:]) == (POOL.lower(), 340 * WAD)
    assert trade(buy) == (7, 0, 1, 0, 2 * WAD, 0, 0, 340 * WAD)
    held = option(10 * WAD, "long_call")
    (sell,) = lyra.sell(held, HERE, held.positions[0], 4 * WAD)
    assert trade(sell)[:7] == (7, 3, 1, 0, 4 * WAD, 0, 4 * 30 * WAD)
    with pytest.raises(ValueError, match="cannot sell"):
        lyra.sell(held, HERE, held.positions[0], 11 * WAD)


def test_a_sale_says_what_it_must_bring():
    weth = AssetInfo(BASE, "WETH", 18, "ETH", "ETH")
    allow, swap = uniswap.sell(OWNER, HERE, weth, USDC, 3000, 5, 4, 99)
    assert decode(["address", "uint256"], allow.data[4:]) == (POOL.lower(), 5)
    assert swap.data[:4].hex() == "414bf389"
    (order_,) = decode(["(address,address,uint24,address,uint256,uint256,uint256,uint160)"], swap.data[4:])
    assert order_[1:] == (TOKEN.lower(), 3000, OWNER.lower(), 99, 5, 4, 0)
