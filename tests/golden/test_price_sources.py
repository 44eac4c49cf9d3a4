"""Every on-chain source over answers recorded from the devnet's real contracts; chain and block stand in the file.

Prices are those the devnet is deployed with (chains/devnet/context.py): ETH 3000, BTC 60000, stablecoins 1; the
vault of staked ether was given 1000 ether and a reward of 50 (chains/devnet/vault.py).
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chains.deployments import ChainDeployment
from chains.deployments_file import parse_deployments
from chains.types import Cut
from oracles.catalogue import sources_of, venue_facts
from oracles.params import load_params
from oracles.reconcile import reconcile
from oracles.sources.vol_surfaces import LyraVolSource
from oracles.types import PriceStatus, Quotes, merge
from tests.kit.recorder import replayed

FILE = Path(__file__).parent / "data" / "prices_devnet_10.json"
DEPLOYED = {
    "ETH": Decimal(3000),
    "BTC": Decimal(60_000),
    "USDC": Decimal(1),
    "DAI": Decimal(1),
    "SUSD": Decimal(1),
}


class Recorded:
    def __init__(self) -> None:
        content: dict[str, Any] = json.loads(FILE.read_text())
        self.deployment: ChainDeployment = parse_deployments(content["deployments"], FILE.name)[content["chain"]]
        self.client, self.head = replayed(content)
        self.cut = Cut({content["chain"]: self.head})

    async def quotes(self) -> Quotes:
        voting = sources_of(self.client, self.deployment, load_params())
        sources = (*voting, *venue_facts(self.client, self.deployment))
        keys = {*DEPLOYED, "STAKED_ETH"}
        return merge([await s.quotes(keys, self.cut, self.head.timestamp) for s in sources])


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


async def test_every_source_says_what_was_deployed(recorded: Recorded) -> None:
    quotes = await recorded.quotes()
    assert quotes.gaps == ()
    said = {(quote.source.partition("@")[0], quote.price_key): quote for quote in quotes.found}
    for key, price in DEPLOYED.items():
        for source in ("chainlink", "pyth", "uniswap"):
            assert abs(said[source, key].price / price - 1) < Decimal("0.0002"), (source, key)
    assert said["venue:aave-v3", "ETH"].price == 3000
    assert said["venue:synthetix", "ETH"].price == 3000
    assert said["chainlink", "ETH"].half_width == 3000 * Decimal("0.005")
    assert said["uniswap", "ETH"].anchor
    rate = said["rate", "STAKED_ETH"]
    # OpenZeppelin rounds down with one virtual share and one virtual asset: 1e18 (1050e18 + 1) / (1000e18 + 1)
    assert rate.price == Decimal("1.049999999999999999")
    assert (rate.in_key, rate.half_width, rate.observed_at) == ("ETH", 0, recorded.head.timestamp)


async def test_the_block_reconciles_to_what_was_deployed(recorded: Recorded) -> None:
    book = reconcile(await recorded.quotes(), recorded.head.timestamp, load_params())
    for key, price in DEPLOYED.items():
        found = book[key]
        assert found.status is PriceStatus.OK, found.reason
        assert found.low is not None
        assert found.high is not None
        assert found.low <= price <= found.high
    assert {fact.source for fact in book["ETH"].facts} == {"venue:aave-v3@eip155:10", "venue:synthetix@eip155:10"}


async def test_the_recorded_surface_has_a_volatility_for_every_strike(recorded: Recorded) -> None:
    market = recorded.deployment.venues["lyra-v1"]["ETH.option_market"]
    found = (await LyraVolSource(recorded.client, "ETH", market).surface(recorded.cut)).found
    assert len(found) >= 3
    assert all(Decimal("0.3") < quote.vol < 2 and quote.expiry > recorded.head.timestamp for quote in found)


def test_the_file_names_its_chain_and_block(recorded: Recorded) -> None:
    assert recorded.deployment.chain == recorded.head.chain == "eip155:10"
    assert recorded.head.number > 0
