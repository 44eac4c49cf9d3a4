"""Verification of one venue on a lone chain: its prices are moved at their sources, and it is asked again."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from aggregator.factors import load_factors
from aggregator.registry import AssetRegistry
from aggregator.verify.compare import TOLERANCE, Row, Subject, compare
from chains.accounts import VenueId
from chains.caip import Address
from chains.evm.rpc import HttpTransport
from chains.forks.move import movable, move
from chains.types import Finality
from tests.kit.lone_venue import Bench, deployment


async def verified(
    reading: Bench,
    url: str,
    venue: VenueId,
    names: Mapping[str, Address],
    users: Sequence[str],
    *moves: Mapping[str, Decimal],
) -> list[Row]:
    """Model against contract for every account of the users under every scenario."""
    found = deployment(reading.ctx, venue, names)
    registry, params, rows = AssetRegistry.of([found]), load_factors(), []
    async with HttpTransport(reading.ctx.chain, [url]) as transport:
        at = await reading.client.head(Finality.LATEST)
        before = await reading.read(*users)
        what = await movable(reading.client, transport, found, before.accounts, at)
        for one in moves:
            await move(transport, what, one, at)
            after = {account.id: account for account in (await reading.read(*users)).accounts}
            for account in before.accounts:
                subject = Subject(account, ("lone",))
                rows.append(compare(subject, after.get(account.id), "own", one, registry, params, TOLERANCE))
    return rows
