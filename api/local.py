"""The API without a running service: the same application over the settings' store, on a private socket."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from aggregator.access.sets import AccountSets
from aggregator.access.settings import AccessSettings, ScopeName
from aggregator.clock import utc_now
from aggregator.config import Settings
from aggregator.errors import StoreError
from aggregator.replay.run import world_of
from aggregator.reports import World
from aggregator.simulate.run import WhatIf
from aggregator.statements.recompute import chains_only
from aggregator.store.inputs import InputLog
from aggregator.store.repository import Store
from aggregator.store.transfers import TransferLog
from aggregator.wiring import Wired, wire
from api.app import Deps, create_app
from api.client import ApiClient, path_of

ALL: tuple[ScopeName, ...] = ("read", "simulate", "watch", "admin")
NEVER_TOO_OLD_S = 1e12
"""Nobody scans here, so that no scan can be late."""


@dataclass(frozen=True, slots=True)
class Local:
    """The API in this process."""

    client: ApiClient
    store: Store
    wired: Wired

    async def look(self, names: Iterable[str]) -> None:
        """Have at hand what the newest reports were made from: what-if questions and scenarios begin there.

        From the store; where it was not kept there, the chains are read once. Raises ApiRefused for a portfolio
        that the caller may not see.
        """
        known = self.wired.cycle
        for text in names:
            body = (await self.client.get(path_of("/v1/accounts/{id}/margin", {"id": text}))).body
            name = known.portfolios.find(text)
            if name not in known.worlds and (world := await self._kept(body)) is not None:
                known.worlds[name] = world
            elif name not in known.worlds:
                await known.run(utc_now(), known.portfolios.only([name]))

    async def _kept(self, body: bytes) -> World | None:
        report_id = str(msgspec.json.decode(body)["id"])
        found = await InputLog(self.store).of(report_id)
        with contextlib.suppress(StoreError):
            return None if found is None else world_of(*found, report_id)
        return None


@contextlib.asynccontextmanager
async def local_api(
    settings: Settings, key: str | None = None, scopes: tuple[ScopeName, ...] = ALL
) -> AsyncIterator[Local]:
    """The API over the settings' store; its owner may do what the scopes allow, with a key what that may."""
    access = AccessSettings(public=key is None, public_scopes=scopes)
    async with wire(chains_only(settings)) as wired:
        store = await Store.open(settings.database.get_secret_value())
        try:
            await AccountSets(store, wired.cycle.portfolios).load()
            await wired.cycle.bridges.learn(await TransferLog(store).observations(utc_now()), utc_now())
            what_if = WhatIf(wired.cycle.maker, wired.cycle.worlds)
            deps = Deps(
                store, wired.cycle.portfolios, None, NEVER_TOO_OLD_S, wired.cycle.bridges, wired, access, what_if
            )
            deps = replace(deps, statements=settings.statements)
            async with _listening(create_app(deps)) as path:
                connector = aiohttp.UnixConnector(path=str(path))
                async with aiohttp.ClientSession("http://localhost", connector=connector) as session:
                    yield Local(ApiClient(session, key, "the store"), store, wired)
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
