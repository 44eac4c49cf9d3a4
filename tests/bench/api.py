"""The HTTP API on loopback under wrk: a stored report, an encoded answer, simulations, beside bare handlers.

Servers run in processes of their own on uvloop, wrk beside them; each figure is the best of three short rounds
taken in turn, so that a busy machine troubles all alike.
"""

import asyncio
import importlib.util
import json
import multiprocessing
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from aggregator.clock import utc_now
from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.reports import World
from aggregator.simulate.model import Simulation
from aggregator.simulate.run import WhatIf
from chains.types import Cut, ReadResult
from tests.bench import Row
from tests.kit import world as hand
from tests.kit.api import NAME, api

ROUNDS, SECONDS = 3, 2


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


def _wrk(port: int, path: str) -> tuple[float, float]:
    """(requests per second, 99 % latency in ms)."""
    done = subprocess.run(
        ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "--latency", f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in done:
        raise RuntimeError(done)
    number, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", done)[0]
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", done)[0]), float(number) * scale


def _measure(servers: dict[str, tuple[Callable[[Any], None], str]]) -> dict[str, tuple[float, float]]:
    context = multiprocessing.get_context("spawn")
    running, ports, best = [], {}, dict.fromkeys(servers, (0.0, 0.0))
    try:
        for name, (target, _) in servers.items():
            ready = context.Queue()
            process = context.Process(target=target, args=(ready,), daemon=True)
            process.start()
            running.append(process)
            ports[name] = ready.get(timeout=60)
        for _ in range(ROUNDS):
            for name, (_, path) in servers.items():
                best[name] = max(best[name], _wrk(ports[name], path))
    finally:
        for process in running:
            process.terminate()
            process.join(5)
    return best


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
    base = found["bare"][0]
    fast = found["fastapi"][0] if "fastapi" in found else None
    return [
        *rows,
        Row("stored report, cached bytes", found["stored"][0], "req/s", "bare aiohttp on uvloop",
            found["stored"][0] / base, ">= 0.8x"),
        Row("stored report, cached bytes", found["stored"][0], "req/s", "FastAPI response_model",
            None if fast is None else found["stored"][0] / fast, ">= 3x"),
        Row("positions, encoded per request", found["encoded"][0], "req/s", "bare aiohttp on uvloop",
            found["encoded"][0] / base, ">= 0.65x"),
        Row("stored report, p99", found["stored"][1], "ms", "", None, "<= 3 ms"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(json.dumps([[row.name, row.figure, row.ratio] for row in run()], indent=1))  # noqa: T201
