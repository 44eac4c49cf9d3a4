"""Servers of the API's benchmark, each to be run in a process of its own on uvloop; ``ready`` is told the port."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import uvloop
from aiohttp import web
from scipy.sparse import random_array

from aggregator.access.settings import OPEN_TO_ALL
from aggregator.alerts import status_change
from aggregator.cycle import Cycle
from aggregator.delivery.notifier import Notifier
from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.reports import World
from aggregator.service import Service
from aggregator.store.repository import Store
from api.app import DEPS, Deps, create_app
from api.cli.loop import on_loop, settle
from chains.accounts import ReadResult
from chains.caip import AccountId
from chains.types import Cut
from risk.scan import prepare, scan
from tests.kit import world as hand
from tests.kit.api import NAME, api

SCANNED = 50
"""Portfolios of twenty positions in the process that scans while it answers."""


def _body() -> bytes:
    return hand.maker().make(big_world())[0].model_dump_json().encode()


def big_world() -> World:
    """Twenty positions in ten venue accounts on two chains."""
    first, second = hand.CHAINS
    makes = [replace(hand.loan(first, str(5 + i), str(7000 + 1000 * i)), sub_account=str(i)) for i in range(5)] + [
        replace(hand.perp(second, str(-2 - i), str(2500 + 400 * i)), sub_account=str(i)) for i in range(5)
    ]
    members = {NAME: tuple(hand.account(chain) for chain in hand.CHAINS)}
    cut = Cut({chain: hand.block(chain) for chain in hand.CHAINS})
    return World(hand.NOW, cut, Portfolios(members), (ReadResult(tuple(makes)),), hand.quotes(), frozenset())


async def _serve(app: web.Application, ready: Any) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ready.put(runner.addresses[0][1])
    await asyncio.Event().wait()


def bare(ready: Any) -> None:
    """An aiohttp handler that answers with the same bytes and nothing else."""
    body = _body()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/accounts/{id}/margin", answer)
    uvloop.run(_serve(app, ready))


def ours(ready: Any) -> None:
    """The API over its store."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with api(Path(folder), world=big_world()) as client:
                ready.put(client.port)
                await asyncio.Event().wait()

    uvloop.run(run())


def fastapi(ready: Any) -> None:
    """FastAPI with the report as its response_model, under uvicorn."""
    import uvicorn
    from fastapi import FastAPI

    report = MarginReport.model_validate_json(_body())
    app = FastAPI()

    @app.get("/v1/accounts/{id}/margin", response_model=MarginReport)
    async def answer(id: str) -> MarginReport:
        return report

    class Told(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.put(self.servers[0].sockets[0].getsockname()[1])

    Told(uvicorn.Config(app, host="127.0.0.1", port=0, loop="uvloop", log_level="error", access_log=False)).run()


def scanning(ready: Any) -> None:
    """The API over its store while one full scan after the other runs in its process."""

    async def run() -> None:
        settle()
        with tempfile.TemporaryDirectory() as folder:
            store = await Store.open(f"sqlite+aiosqlite:///{folder}/scan.db")
            world = many_portfolios(SCANNED)
            service = Service(cast("Cycle", Still(world)), store, Notifier(store, ()), 1.0)
            await service.scan()
            deps = Deps(store, world.portfolios, service, 60, access=OPEN_TO_ALL)
            serving = asyncio.create_task(_serve(create_app(deps), ready))
            while not serving.done():
                await service.scan()

    logging.disable(logging.ERROR)
    on_loop(run())


def screening(ready: Any) -> None:
    """The API over its store while 100,000 accounts are scanned again and again, without the interpreter lock."""

    async def run() -> None:
        settle()
        rng = np.random.default_rng(1)
        units = prepare(random_array((100_000, 500), density=0.04, format="csr", rng=rng))
        changes = rng.standard_normal((500, 1000))
        with tempfile.TemporaryDirectory() as folder:
            async with api(Path(folder), world=big_world()) as client:
                scan(units, changes, 0.975)
                ready.put(client.port)
                while True:
                    await asyncio.to_thread(scan, units, changes, 0.975)

    on_loop(run())


def telling(ready: Any) -> None:
    """The API over its store, to which a report is appended every second; its id says when."""

    async def run() -> None:
        settle()
        (report,) = hand.maker().make(big_world())
        with tempfile.TemporaryDirectory() as folder:
            async with api(Path(folder), world=big_world()) as client:
                ready.put(client.port)
                while True:
                    await asyncio.sleep(1)
                    now = report.model_copy(update={"id": f"rep_{time.monotonic_ns():032d}"})
                    await client.app[DEPS].store.append([now], status_change, [])

    on_loop(run())


class Still:
    """A cycle that reads the same world again and again, a little later each time."""

    def __init__(self, world: World) -> None:
        self.maker, self.still, self.scans = hand.maker(), world, 0
        self.portfolios, self.desk = world.portfolios, SimpleNamespace(last=None)
        self.worlds = dict.fromkeys(world.portfolios.names, world)

    async def world(self, *_: object) -> World:
        self.scans += 1
        return replace(self.still, now=self.still.now + timedelta(milliseconds=20 * self.scans))

    def reports(self, world: World, names: Sequence[str]) -> tuple[MarginReport, ...]:
        return self.maker.make(replace(world, portfolios=world.portfolios.only(names)))


def many_portfolios(count: int) -> World:
    """So many owners of the big world's accounts, each at its own address."""
    world, members, accounts = big_world(), {}, []
    for number in range(count):
        address = f"0x{number + 1:040x}"
        mine = [
            replace(a, account=AccountId(f"{a.account.rpartition(':')[0]}:{address}"))
            for a in world.reads[0].accounts
        ]
        members["desk" if number == 0 else f"desk-{number}"] = tuple(dict.fromkeys(a.account for a in mine))
        accounts += mine
    return replace(world, portfolios=Portfolios(members), reads=(ReadResult(tuple(accounts)),))
