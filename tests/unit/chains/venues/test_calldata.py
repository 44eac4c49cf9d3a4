"""Unsigned calls against the contracts' own signatures (selectors from their ABIs) and their limits."""

from decimal import Decimal

import pytest
from eth_abi.abi import decode

from chains.caip import Address, ChainId, account_id, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.transactions import approve
from chains.types import BlockRef, Finality, Position, PositionKind, VenueAccount, VenueId
from chains.venues.aave import calldata as aave
from chains.venues.across import calldata as across
from chains.venues.perp import calldata as perp

CHAIN, OTHER = ChainId("eip155:10"), ChainId("eip155:8453")
OWNER = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
TOKEN = Address("0x7F5c764cBc14f9669B88837ca1490cCa17c31607")
POOL = Address("0x794a61358D6845594F94dc1DB02A252b5b4814aD")
USDC = AssetInfo(erc20(CHAIN, TOKEN), "USDC", 6, "USDC", "USDC", "", "USD")
BASE = erc20(CHAIN, Address("0x8C835DFaA34e2AE61775e80EE29E2c724c6AE2BB"))
VENUES = {
    VenueId("perp-v2"): {"vault": POOL, "clearing_house": POOL},
    VenueId("aave-v3"): {"pool": POOL},
    VenueId("across"): {"spoke_pool": POOL},
}
HERE = ChainDeployment(CHAIN, "optimism", POOL, (USDC,), VENUES)


def account(venue="perp-v2", positions=()):
    at = BlockRef(CHAIN, 1, "0x01", "0x00", 1_700_000_000, Finality.LATEST)
    return VenueAccount(account_id(CHAIN, OWNER), VenueId(venue), "", at, tuple(positions), (), Decimal(1),
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
        across.received_raw(raw, fee_bps)
