"""The API without a running service: the same application over the settings' store, on a private socket."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
from aiohttp import web

from aggregator.access.sets import AccountSets
from aggregator.access.settings import AccessSettings, ScopeName
from aggregator.config import Settings
from aggregator.simulate.run import WhatIf
from aggregator.statements.recompute import chains_only
from aggregator.store.repository import Store
from aggregator.wiring import Wired, wire
from api.app import Deps, create_app
from api.client import ApiClient

ALL: tuple[ScopeName, ...] = ("read", "simulate", "watch", "admin")
NEVER_TOO_OLD_S = 1e12
"""Nobody scans here, so that no scan can be late."""


@contextlib.asynccontextmanager
async def local_api(
    settings: Settings,
    key: str | None = None,
    scopes: tuple[ScopeName, ...] = ("read", "simulate", "watch", "admin"),
) -> AsyncIterator[tuple[ApiClient, Wired]]:
    """A client of the settings' store, whose owner may do everything within the scopes; with a key what that may.

    Scenarios and simulations are answered for what the cycle of the ``Wired`` has looked at in this process.
    """
    access = AccessSettings(public=key is None, public_scopes=scopes)
    async with wire(chains_only(settings)) as wired:
        store = await Store.open(settings.database.get_secret_value())
        try:
            await AccountSets(store, wired.cycle.portfolios).load()
            laws = wired.cycle.maker.model.bridge_laws
            what_if = WhatIf(wired.cycle.maker, wired.cycle.worlds)
            deps = Deps(store, wired.cycle.portfolios, None, NEVER_TOO_OLD_S, laws, wired, access, what_if)
            deps = replace(deps, statements=settings.statements)
            async with _listening(create_app(deps)) as path:
                connector = aiohttp.UnixConnector(path=str(path))
                async with aiohttp.ClientSession("http://localhost", connector=connector) as session:
                    yield ApiClient(session, key, "the store"), wired
        finally:
            await store.close()


@contextlib.asynccontextmanager
async def _listening(app: web.Application) -> AsyncIterator[Path]:
    """The application on a socket in a folder that only this user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="crossmargin-"))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    try:
        await runner.setup()
        await web.UnixSite(runner, str(folder / "api")).start()
        yield folder / "api"
    finally:
        await runner.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
