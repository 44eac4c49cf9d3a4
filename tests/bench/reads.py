"""Contract state of 1,000 accounts, 20 values each, from a local anvil: every way there is, in one run."""

import asyncio
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec
import numpy as np
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, Web3

from chains.caip import Address
from chains.evm.abi import Function
from chains.evm.client import EvmClient
from chains.evm.columns import ColumnRead
from chains.evm.provider import as_web3_provider
from chains.evm.rpc import HttpTransport, TransportLimits
from chains.types import BlockRef, Finality
from tests.bench import Row
from tests.bench._contracts import CHAIN, VALUES, node, place, values_code
from tests.bench._latency import far_away
from tests.bench._timing import Way, best_of

ACCOUNTS = 1000
READ = Function("values(address)", f"(uint256[{VALUES}])")
ABI = [
    {
        "type": "function", "name": "values", "stateMutability": "view",
        "inputs": [{"name": "account", "type": "address"}],
        "outputs": [{"name": "", "type": f"uint256[{VALUES}]"}],
    },
]  # fmt: skip
GATHERED, BATCH = 50, 250
ROUND_TRIP_S = 0.05
UNLIMITED = TransportLimits(rate_per_s=10_000_000)


def run() -> list[Row]:
    logging.getLogger("multicall").setLevel(logging.ERROR)
    with node() as url:
        target = place(url, values_code(), 0xBEEF)
        near = asyncio.run(_run(url, target))
        with far_away(url, ROUND_TRIP_S) as distant:
            return near + asyncio.run(_far(distant, target))


def _accounts() -> list[Address]:
    return [Address(Web3.to_checksum_address(f"0x{(1 << 159) + (i << 64):040x}")) for i in range(ACCOUNTS)]


async def _run(url: str, target: Address) -> list[Row]:
    accounts = _accounts()
    expected = [int(a, 16) + i for a in accounts for i in range(VALUES)]
    these = (target, accounts, expected)
    seconds: dict[str, float] = {}
    for name, make in (("web3.py", _gathered), ("web3.py batch", _web3_batch)):
        provider = AsyncHTTPProvider(url)
        seconds |= await best_of(2, {name: make(AsyncWeb3(provider), *these)})
        await provider.disconnect()
    async with HttpTransport(CHAIN, [url], limits=TransportLimits(rate_per_s=10_000_000)) as transport:
        w3 = AsyncWeb3(as_web3_provider(transport))
        seconds |= await best_of(2, {"web3.py on our transport": _gathered(w3, *these)})
    async with aiohttp.ClientSession() as session, HttpTransport(CHAIN, [url], limits=UNLIMITED) as transport:
        ways = {"raw JSON-RPC batch": _raw_batch(url, session, *these), "ours": _ours(transport, *these)}
        if (multicall := _multicall(url, *these)) is not None:
            ways["multicall.py"] = multicall
        seconds |= await best_of(8, ways)
    return _rows(seconds)


async def _far(url: str, target: Address) -> list[Row]:
    """The same over a wire of 50 ms: what costs is how often one waits for an answer.

    Ours is given the head, as the service is by newHeads; the batches of a read are under way together.
    """
    accounts = _accounts()
    these = (target, accounts, [int(a, 16) + i for a in accounts for i in range(VALUES)])
    provider = AsyncHTTPProvider(url)
    web3 = await best_of(1, {"web3.py": _gathered(AsyncWeb3(provider), *these)})
    await provider.disconnect()
    async with HttpTransport(CHAIN, [url], limits=UNLIMITED) as transport:
        at = await EvmClient(CHAIN, transport).head(Finality.LATEST)
        ours = await best_of(6, {"ours": _ours(transport, *these, at=at)})
    times = web3["web3.py"] / ours["ours"]
    return [Row("reads: ours, 50 ms away", ACCOUNTS / ours["ours"], "accounts/s", "web3.py", times, ">= 100")]


def _rows(seconds: dict[str, float]) -> list[Row]:
    ours = seconds["ours"]
    targets = {"web3.py": ">= 100", "multicall.py": ">= 5", "raw JSON-RPC batch": ">= 1.5"}
    rows = [Row(f"reads: {name}", ACCOUNTS / took, "accounts/s", "", None, "") for name, took in seconds.items()]
    return rows + [
        Row("reads: ours", ACCOUNTS / ours, "accounts/s", name, took / ours, targets.get(name, ""))
        for name, took in seconds.items()
        if name != "ours"
    ]


def _check(found: Sequence[int], expected: Sequence[int]) -> None:
    if list(found) != list(expected):
        raise ValueError("a benchmark read wrong values")


def _gathered(w3: Any, target: Address, accounts: list[Address], expected: list[int]) -> Way:
    contract = w3.eth.contract(address=target, abi=ABI)
    slots = asyncio.Semaphore(GATHERED)

    async def one(account: Address) -> list[int]:
        async with slots:
            values: list[int] = await contract.functions.values(account).call()
            return values

    async def way() -> None:
        rows = await asyncio.gather(*map(one, accounts))
        _check([value for row in rows for value in row], expected)

    return way


def _web3_batch(w3: Any, target: Address, accounts: list[Address], expected: list[int]) -> Way:
    contract = w3.eth.contract(address=target, abi=ABI)

    async def way() -> None:
        rows: list[Any] = []
        for start in range(0, ACCOUNTS, 100):
            async with w3.batch_requests() as batch:
                for account in accounts[start : start + 100]:
                    batch.add(contract.functions.values(account))
                rows += await batch.async_execute()
        _check([value for row in rows for value in row], expected)

    return way


def _raw_batch(
    url: str, session: aiohttp.ClientSession, target: Address, accounts: list[Address], expected: list[int]
) -> Way:
    """One eth_call per account in batches of 250 on kept connections, bodies made once, decoded by numpy."""
    wanted = _float_rows(expected)
    bodies = []
    for start in range(0, ACCOUNTS, BATCH):
        calls = [
            {
                "jsonrpc": "2.0", "id": i, "method": "eth_call",
                "params": [{"to": target, "data": "0x" + READ.call(target, a).data.hex()}, "latest"],
            }
            for i, a in enumerate(accounts[start : start + BATCH])
        ]  # fmt: skip
        bodies.append(msgspec.json.encode(calls))

    async def part(body: bytes) -> list[str]:
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
            answers = msgspec.json.decode(await response.read())
        answers.sort(key=lambda answer: answer["id"])
        return [answer["result"][2:] for answer in answers]

    async def way() -> None:
        parts = await asyncio.gather(*map(part, bodies))
        data = bytes.fromhex("".join(text for texts in parts for text in texts))
        limbs = np.frombuffer(data, ">u8").reshape(ACCOUNTS, VALUES, 4).astype(np.float64)
        found = ((limbs[..., 0] * 2.0**64 + limbs[..., 1]) * 2.0**64 + limbs[..., 2]) * 2.0**64 + limbs[..., 3]
        if not np.array_equal(found, wanted):
            raise ValueError("a benchmark read wrong values")

    return way


def _float_rows(expected: list[int]) -> Any:
    limbs = np.array([[(v >> s) & (2**64 - 1) for s in (192, 128, 64, 0)] for v in expected], np.uint64)
    f = limbs.astype(np.float64)
    found = ((f[:, 0] * 2.0**64 + f[:, 1]) * 2.0**64 + f[:, 2]) * 2.0**64 + f[:, 3]
    return found.reshape(ACCOUNTS, VALUES)


def _ours(
    transport: HttpTransport,
    target: Address,
    accounts: list[Address],
    expected: list[int],
    at: BlockRef | None = None,
) -> Way:
    """The service's own way: calldata made once, the block pinned by hash, answers as columns."""
    client = EvmClient(CHAIN, transport)
    read = ColumnRead([READ.call(target, account) for account in accounts], VALUES)
    wanted = _float_rows(expected)

    async def way() -> None:
        columns = await client.columns(read, at or await client.head(Finality.LATEST))
        if not (columns.ok.all() and np.array_equal(columns.unsigned(), wanted)):
            raise ValueError("a benchmark read wrong values")

    return way


def _multicall(url: str, target: Address, accounts: list[Address], expected: list[int]) -> Way | None:
    """multicall.py, where the extra ``bench`` is installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from multicall import Call, Multicall
    except ImportError:
        return None
    w3 = Web3(HTTPProvider(url))
    signature = f"values(address)(uint256[{VALUES}])"

    async def way() -> None:
        calls = [Call(target, [signature, account], [(account, None)]) for account in accounts]
        found = await Multicall(calls, _w3=w3, gas_limit=190_000_000)
        _check([value for account in accounts for value in found[account]], expected)

    return way
