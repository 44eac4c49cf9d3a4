"""50,000 event logs from a local anvil, end to end: fetched, parsed, decoded."""

import asyncio
import statistics
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from tests.bench._timing import Way, in_turns, times_better

BLOCKS = 200
LOGS = BLOCKS * LOGS_PER_TX
STEP = 2
"""Blocks per query: small bodies parse faster, and the node works on others meanwhile."""
WEB3_BLOCKS = 4
ROUNDS = 15
READ_BUFFER = 1 << 20
"""As the transport's own sessions have it."""
UNLIMITED = TransportLimits(rate_per_s=10_000_000, concurrency=8)
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
    session = aiohttp.ClientSession(read_bufsize=READ_BUFFER)
    async with session, HttpTransport(CHAIN, [url], limits=UNLIMITED) as transport:
        client = EvmClient(CHAIN, transport)
        ways: dict[str, Way] = {
            "fetch only": lambda: _fetch_only(session, url, target, ranges),
            "ours, columns": lambda: _columns(client, target, ranges),
            "ours, Log values": lambda: _values(client, target, ranges),
            "web3.py get_logs": lambda: _web3(url, target, first),
            **_cryo(url, target, first),
        }
        took = await in_turns(ROUNDS, ways)
    took["web3.py get_logs"] = [seconds * BLOCKS / WEB3_BLOCKS for seconds in took["web3.py get_logs"]]
    peaks = [await _peak_mb(url, target, ranges[: len(ranges) // share]) for share in (4, 1)]
    flat = Row("backfill: peak memory", peaks[1], "MB", "a quarter of the range", peaks[1] / peaks[0], "flat")
    return [flat, *_rows(took)]


def _rows(took: Mapping[str, Sequence[float]]) -> list[Row]:
    """The rate of each way, then the ratios that matter; all are medians over the rounds."""
    rate = {name: LOGS / statistics.median(seconds) for name, seconds in took.items()}
    rows = [Row(f"logs: {name}", figure, "logs/s", "", None, "") for name, figure in rate.items()]
    wanted = [
        ("ours, columns", "fetch only", ">= 0.6"), ("ours, columns", "web3.py get_logs", ">= 80"),
        ("ours, columns", "cryo, its settings", ">= 2.5"), ("ours, columns", "cryo, chunks of 20", ""),
        ("fetch only", "cryo, chunks of 20", "limit of the row above"),
        ("ours, Log values", "web3.py get_logs", ""), ("ours, Log values", "fetch only", ""),
    ]  # fmt: skip
    return rows + [
        Row(f"logs: {name}", rate[name], "logs/s", base, times_better(took[name], took[base]), target)
        for name, base, target in wanted
        if base in took
    ]


async def _web3(url: str, target: Address, first: int) -> None:
    """A part of the logs: web3.py needs the same time for each."""
    provider = AsyncHTTPProvider(url)
    event: Any = AsyncWeb3(provider).eth.contract(address=target, abi=ABI).events.Moved
    found = 0
    for start in range(first, first + WEB3_BLOCKS, STEP):
        logs = await event.get_logs(from_block=start, to_block=start + STEP - 1)
        found += sum(log["args"]["x"] == log["args"]["y"] for log in logs)
    await provider.disconnect()
    if found != WEB3_BLOCKS * LOGS_PER_TX:
        raise ValueError(f"web3.py found {found} logs")


def _cryo(url: str, target: Address, first: int) -> dict[str, Way]:
    """cryo, which writes Parquet, as it comes and with the chunks that suit it best; {} where not installed."""
    try:
        import cryo
    except ImportError:
        return {}

    async def freeze(**settings: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            done = cryo.freeze(
                "logs", blocks=[f"{first}:{first + BLOCKS}"], rpc=url, contract=[target], output_dir=folder,
                hex=False, verbose=False, requests_per_second=1_000_000, **settings,
            )  # fmt: skip
            if done["n_errored"]:
                raise ValueError(f"cryo left out {done['n_errored']} chunks")

    return {
        "cryo, its settings": freeze,
        "cryo, chunks of 20": lambda: freeze(chunk_size=20, max_concurrent_requests=4),
    }


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
