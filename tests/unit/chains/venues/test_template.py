"""The template of a venue obeys the contract of venues: what is copied from it starts right."""

from decimal import Decimal

from eth_abi.abi import encode

from chains.caip import Address, account_id, chain_id, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.types import Cut
from chains.venues._template import VENUE, TemplateReader, reader
from chains.venues._template.events import EVENTS
from tests.kit.transport import FakeChainClient, a_block
from tests.kit.venue_contract import NOBODY, venue_contract

CHAIN = chain_id(10)
MARKET, WETH, USDC = (Address("0x" + digit * 40) for digit in "123")
RICH, DEAD, BROKEN = (Address("0x" + digit * 40) for digit in "456")
AT = a_block(CHAIN, 100, 1_700_000_000)
CUT = Cut({CHAIN: AT})
ASSETS = (
    AssetInfo(erc20(CHAIN, WETH), "WETH", 18, "ETH", "ETH"),
    AssetInfo(erc20(CHAIN, USDC), "USDC", 6, "USDC", "USDC", peg="USD"),
)
DEPLOYMENT = ChainDeployment(CHAIN, "lone", MARKET, ASSETS, {VENUE: {"market": MARKET}})


def venue(version: int = 1, assets: tuple[AssetInfo, ...] = ASSETS) -> TemplateReader:
    client = FakeChainClient(CHAIN)
    client.set(reader._VERSION, MARKET, (), encode(["uint256"], [version]))
    terms = (WETH, USDC, 2000 * 10**8, 8000)
    client.set(reader._TERMS, MARKET, (), encode(["address", "address", "uint256", "uint256"], terms))
    states = {
        RICH: (10**18, 1000 * 10**6, 1600 * 10**8, False),
        DEAD: (10**18, 1601 * 10**6, 1600 * 10**8, True),
        NOBODY: (0, 0, 0, False),
    }
    for user, state in states.items():
        data = encode(["uint256", "uint256", "uint256", "bool"], state)
        client.set(reader._ACCOUNT, MARKET, (user,), data)
    return TemplateReader(client, ChainDeployment(CHAIN, "lone", MARKET, assets, DEPLOYMENT.venues))


async def test_the_template_is_a_venue() -> None:
    accounts = [account_id(CHAIN, user) for user in (RICH, DEAD, BROKEN)]
    result = await venue_contract(venue(), accounts, CUT)
    assert [(a.surplus_usd, a.liquidatable) for a in result.accounts] == [
        (Decimal(600), False), (Decimal(-1), True),
    ]  # fmt: skip
    assert [(f.account, f.reason) for f in result.failures] == [(accounts[2], "reverted")]


async def test_another_version_or_asset_is_unknown() -> None:
    for one in (venue(version=2), venue(assets=ASSETS[:1])):
        result = await one.read([account_id(CHAIN, RICH)], CUT)
        assert [f.reason for f in result.failures] == ["unknown_mode"]


def test_its_events_name_accounts() -> None:
    assert EVENTS.venue == VENUE
    assert len(EVENTS.by_topic) == 2
