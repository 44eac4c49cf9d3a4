"""The addresses that come with the package: well formed, with their sources, recomputed where possible."""

import json
import re
from collections import Counter

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from aggregator.factors import load_factors
from chains.caip import asset_chain, parse_address
from chains.data import packaged
from chains.deployments_file import _addresses, load_deployments
from chains.venues import aave, across, compound, gmx, lyra, morpho, perp, synthetix, uniswap

DEPLOYMENTS = load_deployments(packaged())
DOCUMENT = json.loads(packaged().read_text())
POOL_INIT_CODE_HASH = bytes.fromhex("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54")
"""@uniswap/v3-periphery 1.4.4, contracts/libraries/PoolAddress.sol."""
NAMES = {
    aave.VENUE: {"pool"},
    across.VENUE: {"spoke_pool"},
    lyra.VENUE: {
        "synthetix_adapter", "black_scholes",
        *(f"ETH.{name}" for name in ("option_market", "option_token", "greek_cache", "quote_asset", "base_asset")),
    },
    perp.VENUE: {
        "clearing_house", "account_balance", "vault", "exchange", "order_book", "config", "collateral_manager",
    },
    synthetix.VENUE: {"futures_market_manager", "settings", "system_status", "susd"},
    uniswap.VENUE: {"position_manager"},
    compound.VENUE: {"cUSDCv3"},
    gmx.VENUE: {"reader", "data_store", "referral_storage", "event_emitter"},
}  # fmt: skip
DOCS = {
    aave.VENUE: aave, across.VENUE: across, lyra.VENUE: lyra, perp.VENUE: perp, synthetix.VENUE: synthetix,
    uniswap.VENUE: uniswap, compound.VENUE: compound, gmx.VENUE: gmx,
}  # fmt: skip


def tokens(deployment) -> list[str]:
    return [a.asset.partition("/erc20:")[2] for a in deployment.assets if "/erc20:" in a.asset]


def chains():
    return pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=lambda d: d.name)


def test_the_four_chains_are_there():
    assert set(DEPLOYMENTS) == {"eip155:1", "eip155:10", "eip155:42161", "eip155:8453"}


@chains()
def test_every_address_has_a_source_and_every_source_an_address(deployment):
    sources = DOCUMENT["sources"][deployment.chain]
    used = {address for _, address in _addresses(deployment)} | set(tokens(deployment))
    assert set(sources) == used
    assert all(len(source) > 20 for source in sources.values())


@chains()
def test_assets_are_checksummed_once_and_move_with_a_known_factor(deployment):
    factors = load_factors()
    assert max(Counter(info.asset for info in deployment.assets).values()) == 1
    assert max(Counter(info.symbol for info in deployment.assets).values()) == 1
    for token in tokens(deployment):
        assert parse_address(token) == token
    for info in deployment.assets:
        assert asset_chain(info.asset) == deployment.chain
        assert factors.knows(info.factor), info.symbol
        assert (info.peg == "USD") == (info.factor in factors.stable)
        assert 0 < info.decimals <= 18


@chains()
def test_venues_have_the_names_that_their_readers_document(deployment):
    for venue, names in deployment.venues.items():
        if venue == morpho.VENUE:
            assert "morpho" in names
            assert all(name == "morpho" or name.startswith("market:0x") for name in names)
            continue
        assert set(names) == NAMES[venue], venue
        undocumented = {name for name in NAMES[venue] if name.rpartition(".")[2] not in DOCS[venue].__doc__}
        assert not undocumented, venue


@chains()
def test_contracts_of_a_venue_are_different_ones(deployment):
    for venue, names in deployment.venues.items():
        assert len(set(names.values())) == len(names), venue


def test_morpho_market_ids_are_the_hashes_of_their_parameters():
    """A wrong token, oracle, rate model or ratio cannot give the id that the market is known by."""
    listed = [
        (name.removeprefix("market:"), oracle)
        for deployment in DEPLOYMENTS.values()
        for name, oracle in deployment.venues.get(morpho.VENUE, {}).items()
        if name != "morpho"
    ]
    assert len(listed) == len(DOCUMENT["morpho_markets"]) >= 4
    for market, oracle in listed:
        loan, collateral, stated, model, ratio = DOCUMENT["morpho_markets"][market]
        values = (loan, collateral, stated, model, int(ratio))
        assert "0x" + keccak(encode(("address",) * 4 + ("uint256",), values)).hex() == market
        assert stated == oracle


@chains()
def test_uniswap_pools_are_where_their_factory_puts_them(deployment):
    decimals = {info.asset.partition("/erc20:")[2]: info for info in deployment.assets}
    for pool in deployment.feeds.twap:
        terms = DOCUMENT["pools"][f"{deployment.chain}:{pool.pool}"]
        first, second = terms["tokens"]
        assert int(first, 16) < int(second, 16)
        salt = keccak(encode(("address", "address", "uint24"), (first, second, terms["fee"])))
        packed = b"\xff" + bytes.fromhex(terms["factory"][2:]) + salt + POOL_INIT_CODE_HASH
        assert to_checksum_address(keccak(packed)[-20:]) == pool.pool
        base, quote = (first, second) if pool.base_is_token0 else (second, first)
        assert (decimals[base].price_key, decimals[base].decimals) == (pool.price_key, pool.base_decimals)
        assert (decimals[quote].price_key, decimals[quote].decimals) == (pool.quote_key, pool.quote_decimals)


@chains()
def test_feeds_price_registered_assets_in_sane_terms(deployment):
    feeds, keys = deployment.feeds, {info.price_key for info in deployment.assets}
    assert len({feed.price_key for feed in feeds.chainlink}) == len(feeds.chainlink) >= 1
    for feed in feeds.chainlink:
        assert feed.price_key in keys
        assert 60 <= feed.heartbeat_s <= 86_400
        assert 1 <= feed.deviation_bps <= 100
    # A pool's quote has a price of its own, else the pool says nothing.
    assert {pool.quote_key for pool in feeds.twap} <= {feed.price_key for feed in feeds.chainlink} | {"USDC"}
    assert (feeds.sequencer_uptime is None) == (deployment.chain == "eip155:1")
    assert feeds.pyth is not None
    for price_id in feeds.pyth.ids.values():
        assert re.fullmatch("0x[0-9a-f]{64}", price_id)
        assert price_id in DOCUMENT["price_ids"]
