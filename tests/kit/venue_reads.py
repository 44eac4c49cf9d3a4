"""Reading venues on local chains: a client and its cut, and the laws that every venue account obeys."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

from chains.accounts import VenueAccount, VenueId
from chains.caip import AccountId, Address, AssetId, account_id
from chains.deployments import ChainDeployment
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.instruments import Fixed, Instrument, Spot
from chains.protocols import VenueReader
from chains.types import Cut, Finality

BASE_UNIT = Decimal("1e-8")
TOLERANCE = Decimal("1e-9")


@asynccontextmanager
async def client_of(ctx: ChainContext, node: Anvil) -> AsyncIterator[EvmClient]:
    """A client of a local chain."""
    async with HttpTransport(ctx.chain, [node.http_url]) as transport:
        yield EvmClient(ctx.chain, transport)


async def cut_of(*clients: EvmClient) -> Cut:
    """The heads of the chains now."""
    return Cut({client.chain: await client.head(Finality.LATEST) for client in clients})


def deployment_of(ctx: ChainContext, venues: Mapping[VenueId, Mapping[str, Address]]) -> ChainDeployment:
    """Description of a lone chain."""
    return ChainDeployment(
        ctx.chain, "lone", Address("0xcA11bde05977b3631167028862bE2a173976CA11"), tuple(ctx.assets), venues
    )


def accounts_of(ctx: ChainContext, *users: str) -> list[AccountId]:
    """Accounts of unlocked users."""
    return [account_id(ctx.chain, Address(user)) for user in users]


async def read_one(reader: VenueReader, client: EvmClient, user: str) -> VenueAccount:
    """The only venue account of a user; fails the test where there is another answer."""
    result = await reader.read([account_id(client.chain, Address(user))], await cut_of(client))
    assert result.failures == ()
    (account,) = result.accounts
    return account


def unit_value(instrument: Instrument, shocked: Mapping[AssetId, Decimal] | None = None) -> Decimal:
    """Dollars per unit of a linear instrument, its asset's price multiplied by 1 + shock."""
    if isinstance(instrument, Fixed):
        return Decimal(1)
    assert isinstance(instrument, Spot)
    assert instrument.venue_price_usd is not None
    return instrument.venue_price_usd * (1 + (shocked or {}).get(instrument.asset, Decimal(0)))


def revalued(account: VenueAccount, shocked: Mapping[AssetId, Decimal] | None = None) -> tuple[Decimal, Decimal]:
    """E and k·MM from the exposures."""
    values = [(exposure, unit_value(exposure.instrument, shocked)) for exposure in account.exposures]
    equity = sum((e.equity * value for e, value in values), Decimal(0))
    return equity, sum((e.requirement * value for e, value in values), Decimal(0))


def assert_lawful(account: VenueAccount) -> None:
    """Checks agree, exposures sum to E and k·MM, and S < 0 exactly where the venue says liquidatable."""
    for check in account.checks:
        assert check.rel_error == 0, (account.id, check)
    assert account.equity_usd is not None
    for summed, stated in zip(revalued(account), (account.equity_usd, account.mm_requirement_usd), strict=True):
        allowed = BASE_UNIT * len(account.exposures) + TOLERANCE * stated
        assert abs(summed - stated) <= allowed, (account.id, summed, stated)
    assert account.surplus_usd is not None
    assert (account.surplus_usd < 0) == account.liquidatable
