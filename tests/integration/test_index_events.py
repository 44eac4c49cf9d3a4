"""The event tables beside the ABIs of the packages, and every venue's own transactions beside the index."""

import asyncio
import json
import re
from decimal import Decimal

import pytest
from eth_utils.crypto import keccak

from chains.caip import account_chain, account_id, chain_id
from chains.devnet.across import PACKAGE as ACROSS
from chains.devnet.artifacts import find, hardhat
from chains.devnet.packages import package_dir
from chains.devnet.uniswap import provide
from chains.indexer.types import Refreshed, Sampled
from chains.venues.emitters import EMITTERS
from tests.kit.index_chains import Bench, clients_of, file_store, settle

pytestmark = pytest.mark.devnet
OWNERS = {
    "user", "onBehalfOf", "onBehalf", "trader", "maker", "account", "from", "to", "owner", "depositor", "borrower",
    "liquidator",
}  # fmt: skip
"""Argument names that mean an account whose state changed."""
NOT_THEIRS = {
    ("PositionLiquidated(uint256,address,address,int256,uint256,uint256,uint256,uint256)", "liquidator"),
}
"""Who liquidates a PerpsV2 account is paid in sUSD on their own address."""


CHECKED = {"aave-v3", "across", "lyra-v1", "morpho-blue", "perp-v2", "synthetix-perps-v2", "uniswap-v3"}


def type_of(item) -> str:
    if not item["type"].startswith("tuple"):
        return item["type"]
    inner = ",".join(type_of(part) for part in item["components"])
    return f"({inner}){item['type'][5:]}"


def abi_of(venue: str):
    aave, perp, lyra = "@aave/core-v3", "@perp/curie-contract", "@lyrafinance/protocol"
    match venue:
        case "aave-v3":
            return [e for n in ("Pool", "PoolConfigurator", "AToken") for e in find(aave, n).abi]
        case "perp-v2":
            return [e for n in ("ClearingHouse", "AccountBalance", "Vault") for e in find(perp, n).abi]
        case "lyra-v1":
            root = "dist/artifacts/contracts"
            return [e for n in ("OptionMarket", "OptionToken") for e in find(lyra, n, root).abi]
        case "uniswap-v3":
            return find("@uniswap/v3-periphery", "NonfungiblePositionManager").abi
        case "across":
            path = package_dir(ACROSS) / "dist/evm/artifacts/Ethereum_SpokePool.sol/Ethereum_SpokePool.json"
            return hardhat(path).abi
        case "synthetix-perps-v2":
            path = package_dir("synthetix") / "publish/deployed/sepolia-ovm/deployment.json"
            found = json.loads(path.read_text())["sources"]
            return [
                e for name, item in found.items() if "PerpsV2" in name or "Futures" in name for e in item["abi"]
            ]
    raise AssertionError(venue)


def morpho_events():
    """The events of Morpho's EventsLib as ABI entries; ``Id`` is bytes32."""
    path = package_dir("@morpho-org/morpho-blue") / "src/libraries/EventsLib.sol"
    for name, body in re.findall(r"event (\w+)\(([^)]*)\)", path.read_text()):
        if "MarketParams" in body:
            continue
        parts = [part.split() for part in body.split(",")]
        inputs = [{"name": p[-1], "type": p[0].replace("Id", "bytes32"), "indexed": "indexed" in p} for p in parts]
        yield {"type": "event", "name": name, "inputs": inputs}


def described(venue: str):
    """Signature -> inputs of all events in the venue's ABIs."""
    abi = list(morpho_events()) if venue == "morpho-blue" else abi_of(venue)
    events = [entry for entry in abi if entry["type"] == "event"]
    return {f"{e['name']}({','.join(map(type_of, e['inputs']))})": e["inputs"] for e in events}


@pytest.mark.parametrize("venue", sorted(EMITTERS.keys() & CHECKED))
def test_every_signature_is_the_venues_and_its_places_name_the_owners(venue):
    abi = described(venue)
    for signature, names in EMITTERS[venue].signatures.items():
        assert signature in abi, signature
        topics, words = 1, 0
        named, owners = set(), set()
        for item in abi[signature]:
            place = ("topic", topics) if item["indexed"] else ("word", words)
            topics, words = topics + item["indexed"], words + (not item["indexed"])
            if place in {("topic", i) for i in (*names.ids, names.passes)}:
                assert item["name"] == "tokenId"
            if place in {*(("topic", i) for i in names.topics), *(("word", i) for i in names.words)}:
                named.add(item["name"])
                assert item["type"] in {"address", "bytes32"}
            if item["name"] in OWNERS and (signature, item["name"]) not in NOT_THEIRS:
                owners.add(item["name"])
        if names.topics or names.words:
            assert named == owners, signature


def test_topics_are_hashes_of_the_signatures():
    for events in EMITTERS.values():
        for signature, names in events.signatures.items():
            assert events.by_topic[keccak(text=signature)] is names


@pytest.fixture
async def whole(devnet_snapshot, tmp_path):
    async with clients_of({chain: [url] for chain, url in devnet_snapshot.rpc_urls.items()}) as clients:
        store = await file_store(tmp_path / "index.db")
        yield Bench(clients, devnet_snapshot.deployments, store)
        await store.close()


async def test_what_happens_at_every_venue_is_followed_by_its_events(whole, devnet_snapshot):
    """Discovery of the cast, then one act per venue: only what events made dirty is read, and it is all."""
    world = devnet_snapshot
    indexers = [whole.indexer(chain) for chain in whole.clients]
    await asyncio.gather(*(settle([one]) for one in indexers))
    await whole.come_to_rest(indexers)
    await whole.must_be_fresh()
    before = sum(event.accounts for event in whole.of(Refreshed))
    relay = act_everywhere(world)
    await whole.come_to_rest(indexers)
    read = sum(event.accounts for event in whole.of(Refreshed)) - before
    assert 8 <= read <= 30
    await whole.must_be_fresh()
    for index in indexers:
        await index._reread.sample(1000)
    assert [event.drifted for event in whole.of(Sampled)] == [()] * 4
    # A fill on one chain ends the transfer of an account on another one.
    depositor = account_id(chain_id(1), world.chains[1].ctx.deployer.accounts[25])
    assert "in_flight" in await state_of(whole, depositor)
    world.chains[42161].across.fill(relay)
    world.meet()
    await whole.come_to_rest(indexers)
    assert await state_of(whole, depositor) == "{}"
    await whole.must_be_fresh()


async def state_of(bench: Bench, account) -> str:
    return next(row[10] for row in await bench.rows(account_chain(account)) if row[0] == account)


def act_everywhere(world):
    """One act at every venue, by accounts that are known and by some that are not yet."""
    one, arbitrum, optimism, base = (world.chains[n] for n in (1, 42161, 10, 8453))
    users = one.ctx.deployer.accounts
    one.aave.supply(users[24], "WETH", 4)
    pool = one.aave.pool.functions
    a_token = one.ctx.deployer.at(pool.getReserveData(one.ctx.token("WETH")).call()[8], one.ctx.tokens["WETH"].abi)
    # An aToken passed on: its new holder has never spoken to the pool.
    one.ctx.deployer.send(a_token.functions.transfer(users[26], 10**18), sender=users[24])
    relay = one.across.deposit(users[25], "USDC", 500, 42161)
    arbitrum.perp.deposit(users[24], 5_000)
    arbitrum.perp.open(users[24], "ETH", 1)
    optimism.synthetix.mint_susd(users[24], 5_000)
    optimism.synthetix.deposit(users[24], "sETHPERP", 4_000)
    optimism.synthetix.trade(users[24], "sETHPERP", 1)
    optimism.lyra.update_greeks()
    optimism.lyra.fund(users[24], quote=10_000)
    position = optimism.lyra.open_long(users[24], optimism.lyra.strike(3400), True, 2)
    token = optimism.lyra.system["OptionToken"].functions
    optimism.ctx.deployer.send(token.transferFrom(users[24], users[26], position), sender=users[24])
    provide(one.ctx, users[24], "ETH", (Decimal(2700), Decimal(3300)), 20_000)
    base.morpho.supply_collateral(users[24], "WETH", 5)
    base.morpho.borrow(users[24], "WETH", 1_000)
    base.morpho.supply(users[26], "WBTC", 700)
    base.aave.supply(users[26], "USDC", 900)
    world.meet()
    return relay
