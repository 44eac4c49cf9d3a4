"""The HTTP API on loopback under wrk: a stored report, an encoded answer, simulations, beside bare handlers.

Servers run in processes of their own on uvloop and on one core, wrk on another where there is one. Ratios are
taken within a round, where all have the same neighbours; each figure is the median of the rounds.
"""

import asyncio
import contextlib
import importlib.util
import json
import logging
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
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
from aggregator.clock import utc_now
from aggregator.cycle import Cycle
from aggregator.delivery.notifier import Notifier
from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.reports import World
from aggregator.service import Service
from aggregator.simulate.model import Simulation
from aggregator.simulate.run import WhatIf
from aggregator.store.repository import Store
from api.app import Deps, create_app
from api.cli.loop import on_loop, settle
from chains.accounts import ReadResult
from chains.caip import AccountId
from chains.types import Cut
from risk.scan import prepare, scan
from tests.bench import Row
from tests.kit import world as hand
from tests.kit.api import NAME, api

ROUNDS, SECONDS = 5, 2
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


class Still:
    """A cycle that reads the same world again and again, a little later each time."""

    def __init__(self, world: World) -> None:
        self.maker, self.world, self.scans = hand.maker(), world, 0
        self.portfolios, self.desk = world.portfolios, SimpleNamespace(last=None)
        self.worlds = dict.fromkeys(world.portfolios.names, world)

    async def run(self, *_: object) -> tuple[MarginReport, ...]:
        self.scans += 1
        later = replace(self.world, now=self.world.now + timedelta(milliseconds=20 * self.scans))
        return await asyncio.to_thread(self.maker.make, later)


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


def _on_core(core: int) -> None:
    """Keep this process, or the one it is about to become, on a core of its own where there are two."""
    if len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, {cores[core]})


def _wrk(port: int, path: str, connections: int = 16) -> tuple[float, float]:
    """(requests per second, 99 % latency in ms); wrk counts those that a held-up one has kept from being sent."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True, preexec_fn=lambda: _on_core(1),
    ).stdout  # fmt: skip
    if "Non-2xx" in done:
        raise RuntimeError(done)
    number, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", done)[0]
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", done)[0]), float(number) * scale


def _started(target: Callable[[Any], None], ready: Any, core: int | None) -> None:
    if core is not None:
        _on_core(core)
    target(ready)


@contextlib.contextmanager
def _running(servers: dict[str, tuple[Callable[[Any], None], int | None]]) -> Iterator[dict[str, int]]:
    """Ports of the servers, each in a process of its own, on the core given."""
    context = multiprocessing.get_context("spawn")
    running, ports = [], {}
    try:
        for name, (target, core) in servers.items():
            ready = context.Queue()
            process = context.Process(target=_started, args=(target, ready, core), daemon=True)
            process.start()
            running.append(process)
            ports[name] = ready.get(timeout=60)
        yield ports
    finally:
        for process in running:
            process.terminate()
            process.join(5)


def _measure(paths: dict[str, tuple[Callable[[Any], None], str]]) -> dict[str, list[tuple[float, float]]]:
    """(requests per second, p99 in ms) of each in every round; the ways take turns."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in paths}
    with _running({name: (target, 0) for name, (target, _) in paths.items()}) as ports:
        for _ in range(ROUNDS):
            for name, (_, path) in paths.items():
                found[name].append(_wrk(ports[name], path))
    return found


def _while(busy: Callable[[Any], None], path: str) -> float:
    """Median over the rounds of the 99 % latency in ms, one reader at a time, of a process busy with that."""
    with _running({"busy": (busy, None)}) as ports:
        return statistics.median(_wrk(ports["busy"], path, 1)[1] for _ in range(ROUNDS))


def _simulations() -> float:
    """Median milliseconds of one simulation of 20 positions, its baseline report kept."""
    what_if = WhatIf(hand.maker(), {NAME: big_world()})
    times = []
    for number in range(30):
        asked = Simulation.model_validate({"portfolio": NAME, "changes": {"spot_pct": str(-number - 1)}})
        started = time.perf_counter()
        what_if.answer(asked, utc_now())
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times[2:])


def run() -> list[Row]:
    """Rows of the table; those of wrk only where it is installed."""
    rows = [Row("simulate 20 positions, p50", _simulations(), "ms", "", None, "< 25 ms")]
    if shutil.which("wrk") is None:
        return rows
    path, part = f"/v1/accounts/{NAME}/margin", f"/v1/accounts/{NAME}/positions"
    servers = {"bare": (bare, path), "stored": (ours, path), "encoded": (ours, part)}
    if importlib.util.find_spec("fastapi") is not None:
        servers["fastapi"] = (fastapi, path)
    found = _measure(servers)

    def ratio(name: str, to: str) -> float | None:
        if to not in found:
            return None
        return statistics.median(ours[0] / theirs[0] for ours, theirs in zip(found[name], found[to], strict=True))

    stored, encoded = (statistics.median(rps for rps, _ in found[name]) for name in ("stored", "encoded"))
    return [
        *rows,
        Row("stored report, cached bytes", stored, "req/s", "bare aiohttp on uvloop", ratio("stored", "bare"),
            ">= 0.8x"),
        Row("stored report, cached bytes", stored, "req/s", "FastAPI response_model", ratio("stored", "fastapi"),
            ">= 3x"),
        Row("positions, encoded per request", encoded, "req/s", "bare aiohttp on uvloop", ratio("encoded", "bare"),
            ">= 0.65x"),
        Row("stored report, p99 while 100,000 accounts are scanned", _while(screening, path), "ms", "", None,
            "<= 3 ms"),
        Row("stored report, p99 while reports are made", _while(scanning, path), "ms", "", None, ""),
    ]  # fmt: skip


if __name__ == "__main__":
    print(json.dumps([[row.name, row.figure, row.ratio] for row in run()], indent=1))  # noqa: T201
