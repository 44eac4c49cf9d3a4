"""The HTTP API over stored reports of a hand-made world, without a chain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from aggregator.access.keys import Keys
from aggregator.access.settings import OPEN_TO_ALL, AccessSettings
from aggregator.alerts import status_change
from aggregator.clock import unix, utc_now
from aggregator.devnet_settings import DEVNET_KEY
from aggregator.portfolios import Portfolios
from aggregator.prices import price_lines
from aggregator.reports import World
from aggregator.simulate.run import WhatIf
from aggregator.statements.settings import StatementSettings
from aggregator.store.prices import price_rows
from aggregator.store.repository import Store
from api.app import Deps, create_app
from chains.accounts import ReadResult
from chains.types import Cut
from oracles.reconcile import reconcile
from tests.kit import world as hand

PRIVATE = AccessSettings(requests_per_minute=1_000_000, simulations_per_minute=1_000_000)
NAME = "desk"


def a_world() -> World:
    """A loan and a perp that hedge each other on two chains, and idle dollars."""
    first, second = hand.CHAINS
    accounts = (
        hand.loan(first, "10", "15000"),
        hand.perp(second, "-5", "3000"),
        hand.holding(second, "USDC", "5000"),
    )
    members = {NAME: tuple(hand.account(chain) for chain in hand.CHAINS)}
    cut = Cut({chain: hand.block(chain) for chain in hand.CHAINS})
    return World(hand.NOW, cut, Portfolios(members), (ReadResult(accounts),), hand.quotes(), frozenset())


@asynccontextmanager
async def api(
    path: Any, access: AccessSettings = OPEN_TO_ALL, world: World | None = None, **more: Any
) -> AsyncIterator[TestClient]:
    """A client of the API over one stored report; its store is ``client.app["store"]``."""
    store = await Store.open(f"sqlite+aiosqlite:///{path / 'api.db'}")
    world = world or a_world()
    book = reconcile(world.quotes, unix(world.now), hand.maker().prices)
    prices = price_rows(price_lines(book, world.now))
    await store.append(hand.maker().make(world), status_change, [], prices)
    portfolios = Portfolios(dict(world.portfolios.members))
    what_if = WhatIf(hand.maker(), {NAME: world})
    more = {"statements": StatementSettings(signing_key=DEVNET_KEY), **more}
    deps = Deps(store, portfolios, None, 60, access=access, what_if=what_if, **more)
    try:
        async with TestClient(TestServer(create_app(deps))) as client:
            yield client
    finally:
        await store.close()


async def key_for(client: TestClient, *scopes: str, portfolios: tuple[str, ...] | None = None) -> dict[str, str]:
    """Headers with a new key."""
    from api.http.deps import DEPS

    keys = Keys(client.app[DEPS].store)
    _, secret = await keys.create("test", scopes, utc_now(), actor="test", portfolios=portfolios)
    return {"Authorization": f"Bearer {secret}"}
