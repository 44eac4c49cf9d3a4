"""50,000 event logs from a local anvil, end to end: fetched, parsed, decoded."""

import asyncio
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import numpy as np
from web3 import AsyncHTTPProvider, AsyncWeb3

from chains.accounts import VenueId
from chains.caip import Address
from chains.devnet import anvil
from chains.events import Names, VenueEvents
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport, TransportLimits
from chains.indexer.digest import Watch, digest
from chains.types import LogFilter
from tests.bench import Row
from tests.bench._contracts import CHAIN, LOGS_PER_TX, events_code, node, place
from tests.bench._timing import best_of

BLOCKS = 200
LOGS = BLOCKS * LOGS_PER_TX
STEP = 4
"""Blocks per query: small bodies parse faster."""
WEB3_BLOCKS = 20
UNLIMITED = TransportLimits(rate_per_s=10_000_000, concurrency=4)
ABI = [
    {
        "type": "event", "name": "Moved", "anonymous": False,
        "inputs": [
            {"name": "a", "type": "address", "indexed": True}, {"name": "b", "type": "address", "indexed": True},
            {"name": "x", "type": "uint256", "indexed": False}, {"name": "y", "type": "uint256", "indexed": False},
        ],
    },
]  # fmt: skip


def run() -> list[Row]:
    with node() as url:
        target = place(url, events_code(), 0xCAFE)
        sender = anvil.rpc(url, "eth_accounts")[0]
        first = int(anvil.rpc(url, "eth_blockNumber"), 16) + 1
        for _ in range(BLOCKS):
            anvil.rpc(url, "eth_sendTransactionSync", {"from": sender, "to": target, "gas": "0x1000000"})
        return asyncio.run(_run(url, target, first))


async def _run(url: str, target: Address, first: int) -> list[Row]:
    ranges = [(start, min(start + STEP, first + BLOCKS) - 1) for start in range(first, first + BLOCKS, STEP)]
    web3 = max([WEB3_BLOCKS * LOGS_PER_TX / await _web3(url, target, first) for _ in range(3)])
    async with aiohttp.ClientSession() as session, HttpTransport(CHAIN, [url], limits=UNLIMITED) as transport:
        client = EvmClient(CHAIN, transport)
        seconds = await best_of(
            8,
            {
                "fetch only": lambda: _fetch_only(session, url, target, ranges),
                "columns": lambda: _columns(client, target, ranges),
                "values": lambda: _values(client, target, ranges),
            },
        )
    fetch_only, columns, values = (LOGS / seconds[name] for name in ("fetch only", "columns", "values"))
    cryo = _cryo(url, target, first)
    beside_cryo = [] if cryo is None else [
        Row("logs: cryo", cryo, "logs/s", "", None, ""),
        Row("logs: ours, columns", columns, "logs/s", "cryo", columns / cryo, ">= 2.5"),
    ]  # fmt: skip
    peaks = [await _peak_mb(url, target, ranges[: len(ranges) // share]) for share in (4, 1)]
    return [
        *beside_cryo,
        Row("backfill: peak memory", peaks[1], "MB", "a quarter of the range", peaks[1] / peaks[0], "flat"),
        Row("logs: web3.py get_logs", web3, "logs/s", "", None, ""),
        Row("logs: fetch only", fetch_only, "logs/s", "", None, ""),
        Row("logs: ours, columns", columns, "logs/s", "web3.py get_logs", columns / web3, ">= 80"),
        Row("logs: ours, columns", columns, "logs/s", "fetch only", columns / fetch_only, ">= 0.6"),
        Row("logs: ours, Log values", values, "logs/s", "web3.py get_logs", values / web3, ""),
    ]


async def _web3(url: str, target: Address, first: int) -> float:
    """Seconds for a part of the logs: web3.py needs the same time for each."""
    provider = AsyncHTTPProvider(url)
    event: Any = AsyncWeb3(provider).eth.contract(address=target, abi=ABI).events.Moved
    started = time.perf_counter()
    found = 0
    for start in range(first, first + WEB3_BLOCKS, STEP):
        logs = await event.get_logs(from_block=start, to_block=start + STEP - 1)
        found += sum(log["args"]["x"] == log["args"]["y"] for log in logs)
    took = time.perf_counter() - started
    await provider.disconnect()
    if found != WEB3_BLOCKS * LOGS_PER_TX:
        raise ValueError(f"web3.py found {found} logs")
    return took


def _cryo(url: str, target: Address, first: int) -> float | None:
    """Logs per second of cryo, written as Parquet; None where its wheel is not installed."""
    try:
        import cryo
    except ImportError:
        return None
    best = float("inf")
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            done = cryo.freeze(
                "logs", blocks=[f"{first}:{first + BLOCKS}"], rpc=url, contract=[target], output_dir=folder,
                chunk_size=20, hex=False, no_verbose=True, max_concurrent_requests=4,
                requests_per_second=1_000_000,
            )  # fmt: skip
            best = min(best, time.perf_counter() - started)
            if done["n_errored"]:
                raise ValueError(f"cryo left out {done['n_errored']} chunks")
    return LOGS / best


async def _peak_mb(url: str, target: Address, ranges: list[tuple[int, int]]) -> float:
    """Most memory that reading the ranges in turn takes, as the index does: logs, then whom they concern."""
    events = VenueEvents(VenueId("bench"), {"Moved(address,address,uint256,uint256)": Names((1, 2))})
    watch = Watch(CHAIN, (events,), {events.venue: frozenset({target})})
    async with HttpTransport(CHAIN, [url], limits=UNLIMITED) as transport:
        client, found = EvmClient(CHAIN, transport), set()
        tracemalloc.start()
        for wanted in ranges:
            found |= digest(await client.logs(LogFilter(*wanted, (target,))), watch).touches.found.keys()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    if not found:
        raise ValueError("the backfill found nobody")
    return peak / 1e6


async def _in_turn(ranges: list[tuple[int, int]], one: Callable[[tuple[int, int]], Awaitable[int]]) -> None:
    """Four queries at once."""
    left = iter(ranges)

    async def worker() -> int:
        return sum([await one(wanted) for wanted in left])

    found = sum(await asyncio.gather(*(worker() for _ in range(UNLIMITED.concurrency))))
    if found != LOGS:
        raise ValueError(f"found {found} logs, expected {LOGS}")


async def _fetch_only(
    session: aiohttp.ClientSession, url: str, target: Address, ranges: list[tuple[int, int]]
) -> None:
    async def one(wanted: tuple[int, int]) -> int:
        query = {"fromBlock": hex(wanted[0]), "toBlock": hex(wanted[1]), "address": target}
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [query]})
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
            content = await response.read()
        return content.count(b'"logIndex"')

    await _in_turn(ranges, one)


async def _columns(client: EvmClient, target: Address, ranges: list[tuple[int, int]]) -> None:
    async def one(wanted: tuple[int, int]) -> int:
        columns = await client.log_columns(LogFilter(*wanted, (target,)), topics=3, words=2)
        return int(np.count_nonzero((columns.data[:, 0] == columns.data[:, 1]).all(axis=1)))

    await _in_turn(ranges, one)


async def _values(client: EvmClient, target: Address, ranges: list[tuple[int, int]]) -> None:
    async def one(wanted: tuple[int, int]) -> int:
        return sum(log.data[:32] == log.data[32:] for log in await client.logs(LogFilter(*wanted, (target,))))

    await _in_turn(ranges, one)
