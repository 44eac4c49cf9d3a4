"""Reading one venue on a lone chain, and what every venue account must satisfy."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from chains.accounts import ReadResult, VenueAccount, VenueId
from chains.caip import AccountId, Address, account_id
from chains.deployments import ChainDeployment
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.devnet.multicall3 import CANONICAL
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.instruments import Exposure, Fixed, Instrument, Perp, Spot
from chains.protocols import ChainClient, VenueReader
from chains.types import Cut, Finality

MakeReader = Callable[[ChainClient, ChainDeployment], VenueReader]


def deployment(ctx: ChainContext, venue: VenueId, addresses: Mapping[str, Address]) -> ChainDeployment:
    return ChainDeployment(ctx.chain, "lone", CANONICAL, tuple(ctx.assets), {venue: dict(addresses)})


@dataclass(frozen=True)
class Bench:
    """A reader on a lone chain."""

    ctx: ChainContext
    client: EvmClient
    reader: VenueReader

    def account(self, address: str) -> AccountId:
        return account_id(self.ctx.chain, Address(address))

    async def read(self, *addresses: str) -> ReadResult:
        head = await self.client.head(Finality.LATEST)
        cut = Cut({self.ctx.chain: head})
        return await self.reader.read([self.account(address) for address in addresses], cut)

    async def one(self, address: str) -> VenueAccount:
        result = await self.read(address)
        assert result.failures == ()
        (account,) = result.accounts
        return account


@asynccontextmanager
async def bench(
    ctx: ChainContext, node: Anvil, make: MakeReader, venue: VenueId, addresses: Mapping[str, Address]
) -> AsyncIterator[Bench]:
    async with HttpTransport(ctx.chain, [node.http_url]) as transport:
        client = EvmClient(ctx.chain, transport)
        yield Bench(ctx, client, make(client, deployment(ctx, venue, addresses)))


def pass_time(ctx: ChainContext, seconds: int) -> None:
    ctx.deployer.rpc("evm_increaseTime", seconds)
    ctx.deployer.rpc("evm_mine")


def at_venue(instrument: Instrument) -> Decimal:
    """Unit value at the venue's own price; a token it has no price for counts at par."""
    match instrument:
        case Fixed():
            return Decimal(1)
        case Spot(venue_price_usd=price):
            return Decimal(1) if price is None else price
        case Perp(venue_price_usd=price):
            return price
    raise AssertionError(f"no unit value for {instrument}")


def total(exposures: Iterable[Exposure], part: str, price: Callable[[Instrument], Decimal] = at_venue) -> Decimal:
    """Sum of one part (value, equity or requirement) at given unit values."""
    return sum((getattr(exposure, part) * price(exposure.instrument) for exposure in exposures), Decimal(0))


def close(left: Decimal, right: Decimal, rel: str = "1e-9", floor: str = "1e-9") -> bool:
    return abs(left - right) <= max(Decimal(rel) * max(abs(left), abs(right)), Decimal(floor))


def agrees(account: VenueAccount) -> None:
    """The rules of venue accounts: own checks, verdict, identities of the exposures."""
    assert account.checks
    for check in account.checks:
        assert check.rel_error < Decimal("1e-9"), check
    assert account.equity_usd is not None
    assert account.surplus_usd is not None
    assert account.liquidatable == (account.surplus_usd < 0)
    assert close(total(account.exposures, "equity"), account.equity_usd)
    assert close(total(account.exposures, "requirement"), account.mm_requirement_usd)
