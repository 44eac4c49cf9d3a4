"""Derive v2 by its ABI: contracts of our own answer in its layout, by round figures."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from web3.contract import Contract

from chains.caip import Address
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.devnet.shapes import shape
from chains.forks import node as fork_node
from chains.forks.spec import ForkSpec
from chains.types import Cut, Finality, Instrument, Perp, PositionKind
from chains.venues.derive import VENUE, DeriveReader
from oracles.catalogue import surfaces_of
from oracles.sources.vol_surfaces import DeriveVolSource
from tests.kit.lone_chain import lone_chain
from tests.kit.lone_venue import Bench, at_venue, bench, close, total
from tests.kit.venue_contract import venue_contract
from tests.kit.venue_reads import client_of, cut_of, deployment_of

pytestmark = pytest.mark.devnet

# Round figures: the layout is what is tested here.
MM, FACTOR = Decimal("0.05"), Decimal("0.8")
CASH, PERP, BASE, OPTION, STRANGE, PORTFOLIO, OTHER = (Address("0x" + 19 * "00" + f"{n:02x}") for n in range(1, 8))


def wad(amount: str | int | Decimal) -> int:
    return int(Decimal(amount).scaleb(18))


@dataclass(frozen=True)
class Market:
    """The stand-ins: one contract for all of Derive but its perpetual."""

    ctx: ChainContext
    main: Contract
    perp: Contract

    def addresses(self) -> dict[str, Address]:
        main = Address(self.main.address)
        return {
            "sub_accounts": main, "matching": main, "standard_manager": main,
            "portfolio_manager:PM": PORTFOLIO,
            "cash:USDC": CASH, "perp:WETH": Address(self.perp.address), "base:WETH": BASE,
        }  # fmt: skip

    def open(self, user: int, *, manager: str | None = None, **held: str) -> int:
        """A sub-account by kind of asset; the last id."""
        assets = {"cash": CASH, "perp": self.perp.address, "base": BASE, "option": OPTION, "strange": STRANGE}
        balances = [(assets[kind], 0, wad(amount)) for kind, amount in held.items()]
        owner = self.ctx.deployer.accounts[user]
        self.ctx.deployer.send(self.main.functions.create(owner, manager or self.main.address, balances))
        return int(self.main.functions.lastId().call())

    def move(self, price: str, sub_account: int, result: str) -> None:
        d = self.ctx.deployer
        d.send(self.main.functions.setPrice(wad(price)))
        d.send(self.main.functions.setResult(sub_account, wad(result)))
        d.send(self.perp.functions.set(wad(price), sub_account, wad(result)))


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[Market, Anvil]]:
    with lone_chain(957, "--timestamp", "1790000000") as (ctx, node):
        d = ctx.deployer
        main = d.deploy(shape("DeriveShape"), CASH, wad(3000))
        perp = d.deploy(shape("DerivePerpShape"), wad(3000))
        d.send(main.functions.setMarket(1, wad(MM), wad(FACTOR)))
        for asset, kind in ((perp.address, 2), (BASE, 3), (OPTION, 1)):
            d.send(main.functions.whitelist(asset, kind, 1))
        yield Market(ctx, main, perp), node


@pytest.fixture
async def venue(chain: tuple[Market, Anvil]) -> AsyncIterator[tuple[Market, Bench]]:
    market, node = chain
    mark = market.ctx.deployer.rpc("evm_snapshot")
    async with bench(market.ctx, node, DeriveReader, VENUE, market.addresses()) as reading:
        yield market, reading
    assert market.ctx.deployer.rpc("evm_revert", mark)


def user(market: Market, index: int) -> Address:
    return market.ctx.deployer.accounts[index]


async def test_standard_sub_accounts_agree_with_their_manager(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    ids = [
        market.open(1, cash="2000", perp="-10"),
        market.open(1, cash="-1500.123456789", base="3.3"),
        market.open(2, cash="100000.5", perp="41.000000000000000007", base="0.333"),
    ]
    verdicts = set()
    for price, result in (("3000", "0"), ("3111.123456789012345678", "-1111.23"), ("1999.9", "333.000000001")):
        for sub_account in ids:
            market.move(price, sub_account, result)
        read = await reading.read(user(market, 1), user(market, 2), user(market, 3))
        assert read.failures == ()
        assert [account.sub_account for account in read.accounts] == [str(i) for i in ids]
        for account in read.accounts:
            assert all(check.ours == check.theirs for check in account.checks)
            assert account.liquidatable == (account.surplus_usd < 0)
            assert close(total(account.exposures, "equity"), account.equity_usd, floor="1e-15")
            assert close(total(account.exposures, "requirement"), account.mm_requirement_usd, floor="1e-15")
            verdicts.add(account.liquidatable)
    assert verdicts == {True, False}


async def test_exposures_foretell_a_moved_price(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    sub_account = market.open(1, cash="9000", perp="-20", base="4")
    market.move("3000", sub_account, "0")
    before = await reading.one(user(market, 1))
    for price in ("2500", "3900.5"):
        market.move(price, sub_account, str(-20 * (Decimal(price) - 3000)))
        after = await reading.one(user(market, 1))

        def moved(instrument: Instrument, price: str = price) -> Decimal:
            eth = isinstance(instrument, Perp) or at_venue(instrument) == 3000
            return Decimal(price) if eth else at_venue(instrument)

        assert close(total(before.exposures, "equity", moved), after.equity_usd)
        assert close(total(before.exposures, "requirement", moved), after.mm_requirement_usd)


async def test_it_obeys_the_contract_of_venues(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    market.open(1, cash="9000", perp="-20", base="4")
    market.open(2, cash="5000", option="-3")
    market.open(2, cash="-7.5")
    accounts = [reading.account(user(market, index)) for index in (1, 2)]
    result = await venue_contract(reading.reader, accounts, await cut_of(reading.client))
    assert len(result.accounts) == 3


async def test_legs_and_value(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    market.open(1, cash="9000", perp="-20", base="4")
    account = await reading.one(user(market, 1))
    assert [(p.kind, p.label, p.size) for p in account.positions] == [
        (PositionKind.COLLATERAL, "USDC cash", Decimal(9000)),
        (PositionKind.PERP, "WETH-PERP short", Decimal(-20)),
        (PositionKind.COLLATERAL, "WETH collateral", Decimal(4)),
    ]
    assert total(account.exposures, "value") == 9000 + 4 * 3000
    assert account.equity_usd == 9000 + 4 * 3000 * FACTOR


async def test_options_and_portfolio_margin_are_the_managers_word_without_scenarios(
    venue: tuple[Market, Bench],
) -> None:
    market, reading = venue
    market.open(1, cash="5000", option="-3")
    account = await reading.one(user(market, 1))
    assert account.exposures == () == account.checks
    assert account.degraded
    assert "options" in account.degraded[0]
    assert account.surplus_usd == Decimal(5000) - 900
    assert account.liquidatable is False


async def test_what_is_not_known_is_unknown(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    market.open(1, cash="5", strange="1")
    market.open(2, cash="5", manager=OTHER)
    read = await reading.read(user(market, 1), user(market, 2))
    assert read.accounts == ()
    assert [failure.reason for failure in read.failures] == ["unknown_mode", "unknown_mode"]
    assert STRANGE in read.failures[0].detail
    assert OTHER in read.failures[1].detail


async def test_a_sub_account_goes_with_its_nft(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    sub_account = market.open(1, cash="77")
    market.open(2)
    market.ctx.deployer.send(market.main.functions.give(sub_account, user(market, 5)))
    read = await reading.read(user(market, 1), user(market, 2))
    assert (read.accounts, read.failures) == ((), ())


async def test_a_missing_contract_is_said(chain: tuple[Market, Anvil]) -> None:
    market, node = chain
    nowhere = market.addresses() | {"sub_accounts": Address("0x000000000000000000000000000000000000dEaD")}
    async with bench(market.ctx, node, DeriveReader, VENUE, nowhere) as reading:
        read = await reading.read(user(market, 1))
    assert [failure.reason for failure in read.failures] == ["no_code"]


async def test_the_vol_feed_answers_for_the_strikes_asked_for(chain: tuple[Market, Anvil]) -> None:
    market, node = chain
    names = {**market.addresses(), "vol_feed:ETH": Address(market.main.address)}
    wanted = [(1_800_000_000, Decimal(strike)) for strike in (2000, 3000, 40_000)]
    async with client_of(market.ctx, node) as client:
        (source,) = surfaces_of(client, deployment_of(market.ctx, {VENUE: names}), "ETH", wanted)
        found = await source.surface(await cut_of(client))
        (bare,) = surfaces_of(client, deployment_of(market.ctx, {VENUE: names}), "ETH")
        nothing = await bare.surface(await cut_of(client))
    assert [(q.strike_usd, q.vol, q.confidence) for q in found.found] == [
        (2000, Decimal("0.7"), Decimal("0.95")),
        (3000, Decimal("0.6"), Decimal("0.95")),
    ]
    assert [(gap.reason, "no surface" in gap.detail) for gap in found.gaps] == [("no_answer", True)]
    assert nothing.found == ()
    assert "name the expiries and strikes" in nothing.gaps[0].detail


async def test_a_fork_pinned_at_a_block_gives_the_same_surface_as_the_chain(chain: tuple[Market, Anvil]) -> None:
    market, node = chain
    wanted = [(1_800_000_000, Decimal(strike)) for strike in (2000, 3000, 40_000)]
    async with client_of(market.ctx, node) as client:
        head = await client.head(Finality.LATEST)
        cut = Cut({market.ctx.chain: head})
        there = await DeriveVolSource(client, "ETH", Address(market.main.address), wanted).surface(cut)
    pinned = ForkSpec(market.ctx.chain, node.http_url, head.number)
    forks = await asyncio.to_thread(fork_node.start, [pinned])
    try:
        async with client_of(market.ctx, forks.by_chain[market.ctx.chain].node) as client:
            forked = await DeriveVolSource(client, "ETH", Address(market.main.address), wanted).surface(cut)
    finally:
        forks.stop()
    assert len(there.found) == 2
    assert forked == there
