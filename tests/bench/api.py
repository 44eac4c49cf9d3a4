"""The HTTP API on loopback under wrk: a stored report, an encoded answer, simulations, beside bare handlers.

Servers run in processes of their own on uvloop and on one core, wrk on another where there is one. Ratios are
taken within a round, where all have the same neighbours; each figure is the median of the rounds.
"""

import asyncio
import contextlib
import importlib.util
import json
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop

from aggregator.clock import utc_now
from aggregator.simulate.model import Simulation
from aggregator.simulate.run import WhatIf
from tests.bench import Row
from tests.bench._api_servers import bare, big_world, fastapi, ours, scanning, screening, telling
from tests.kit import world as hand
from tests.kit.api import NAME

ROUNDS, SECONDS = 5, 2
READERS, EVENTS = 1_000, 5


async def _heard(port: int, everybody: asyncio.Barrier) -> list[float]:
    """Seconds from the append of each report to its arrival at one reader, from when all have come on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/stream?events=margin.updated HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"event: hello")
    await everybody.wait()
    began, took = time.monotonic(), []
    while len(took) < EVENTS:
        await reader.readuntil(b'"id":"rep_')
        appended = int(await reader.readexactly(32)) / 1e9
        if appended > began:
            took.append(time.monotonic() - appended)
    writer.close()
    return took


async def _all_heard(port: int) -> float:
    """Seconds until the last of many readers has heard of a report; median over the reports."""
    everybody = asyncio.Barrier(READERS)
    found = await asyncio.gather(*(_heard(port, everybody) for _ in range(READERS)))
    return statistics.median(max(each) for each in zip(*found, strict=True))


def _readers() -> float:
    """The same with the service on one core and all readers on another."""
    before = os.sched_getaffinity(0)
    with _running({"telling": (telling, 0)}) as ports:
        _on_core(1)
        try:
            return uvloop.run(_all_heard(ports["telling"]))
        finally:
            os.sched_setaffinity(0, before)


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
    with contextlib.suppress(KeyboardInterrupt):  # how a server on its loop ends when it is told to
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
    rows = [
        Row("simulate 20 positions, p50", _simulations(), "ms", "", None, "< 25 ms"),
        Row(f"the last of {READERS:,} stream readers hears", _readers(), "s", "", None, "< 1 s"),
    ]
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
        Row("stored report, p99 of an idle service, for comparison", _while(ours, path), "ms", "", None, ""),
        Row("stored report, p99 while 100,000 accounts are scanned", _while(screening, path), "ms", "", None,
            "<= 3 ms"),
        Row("stored report, p99 while reports are made", _while(scanning, path), "ms", "", None, ""),
    ]  # fmt: skip


if __name__ == "__main__":
    print(json.dumps([[row.name, row.figure, row.ratio] for row in run()], indent=1))  # noqa: T201
