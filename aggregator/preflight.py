"""Proving the settings before they are relied on: every endpoint, contract, feed and the database."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from aggregator.clock import unix, utc_now
from aggregator.config import Settings
from aggregator.errors import StoreError
from aggregator.store.repository import Store
from aggregator.wiring import Wired, wire
from chains.cut import cut
from chains.errors import ChainError
from chains.evm.client import EvmClient


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was tried."""

    what: str
    ok: bool
    detail: str = ""


async def preflight(settings: Settings) -> tuple[Line, ...]:
    """Try everything that the settings name; nothing is written but the database's schema."""
    async with wire(settings) as wired:
        chains = await asyncio.gather(*(_chain(client) for client in wired.clients.values()))
        feeds = await _feeds(wired)
    database = await _try("database", _database(settings))
    return (*chains, *feeds, database)


async def _chain(client: EvmClient) -> Line:
    return await _try(f"chains.{client.chain}: endpoint, chain id, multicall3", client.verify())


async def _database(settings: Settings) -> None:
    store = await Store.open(settings.database.get_secret_value())
    try:
        await store.ping()
    finally:
        await store.close()


async def _feeds(wired: Wired) -> list[Line]:
    now_s = unix(utc_now())
    at = await cut(wired.clients, wired.settings.finality, now_s)
    keys = wired.cycle.maker.registry.price_keys()
    answers = await asyncio.gather(*(source.quotes(keys, at, now_s) for source in wired.cycle.sources))
    lines = [Line(f"price {q.price_key} from {q.source}", ok=True) for answer in answers for q in answer.found]
    lines += [
        Line(f"price {gap.price_key} from {gap.source}", ok=False, detail=f"{gap.reason}: {gap.detail}")
        for answer in answers
        for gap in answer.gaps
    ]
    return sorted(lines, key=lambda line: line.what)


async def _try(what: str, attempt: Awaitable[None]) -> Line:
    try:
        await attempt
    except (ChainError, StoreError) as error:
        return Line(what, ok=False, detail=str(error))
    return Line(what, ok=True)
