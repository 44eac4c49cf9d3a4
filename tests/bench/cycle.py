"""From a new head to committed reports and outbox, for 1,000 dirty portfolios on the four local chains.

Every portfolio is an address of its own with ether on all chains: 4,000 accounts are read at every venue.
``CROSSMARGIN_BENCH_DIRTY=100`` for fewer.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aggregator.cycle import Cycle
from aggregator.devnet_settings import devnet_settings
from aggregator.portfolios import Portfolios
from aggregator.store.repository import Store
from aggregator.wiring import open_service, wire
from chains.devnet.world import World, build
from tests.bench import Row
from tests.bench.store import postgres

DIRTY = int(os.environ.get("CROSSMARGIN_BENCH_DIRTY", "1000"))
WEI = hex(10 * 10**18)


def run() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="cm-bench-cycle-") as folder:
        world = build(Path(folder))
        try:
            addresses = _fund(world)
            rows = asyncio.run(_measured("SQLite", f"sqlite+aiosqlite:///{folder}/c.db", world, addresses))
            with postgres(Path(folder)) as dsn:
                rows += asyncio.run(_measured("PostgreSQL", dsn, world, addresses))
        finally:
            world.stop()
    return rows


def _fund(world: World) -> list[str]:
    """Addresses with ether on every chain."""
    addresses = [f"0x{0xC0FFEE << 100 | i:040x}" for i in range(DIRTY)]
    for chain in world.chains.values():
        for address in addresses:
            chain.ctx.deployer.rpc("anvil_setBalance", address, WEI)
    return addresses


async def _measured(name: str, dsn: str, world: World, addresses: list[str]) -> list[Row]:
    portfolios = {f"p{i}": {"accounts": (address,)} for i, address in enumerate(addresses)}
    settings = devnet_settings(world.state_dir, database=dsn, portfolios=portfolios)
    async with wire(settings) as wired, open_service(wired) as (service, _, _):
        wanted = Portfolios(dict(wired.cycle.portfolios.members))
        await service.scan(wanted)
        stages: dict[str, float] = {}
        heads = {}
        for chain in world.chains.values():
            chain.ctx.deployer.rpc("anvil_mine", "0x1")
            heads[chain.ctx.chain] = int(chain.ctx.deployer.rpc("eth_blockNumber"), 16)
        with _timed(Cycle, "_read", "read", stages), _timed(Store, "append", "store", stages):
            started = time.perf_counter()
            done = await service.scan(wanted, heads)
            total = time.perf_counter() - started
    assert len(done.reports) == len(addresses)
    stages["figures and the rest"] = total - sum(stages.values())
    what = f"new head to committed, {len(addresses):,} dirty portfolios, {name}"
    return [
        Row(what, total, "s", "", None, ""),
        *(Row(f"  {stage}", s, "s", "", None, "") for stage, s in stages.items()),
    ]


@contextmanager
def _timed(kind: type, method: str, stage: str, stages: dict[str, float]) -> Iterator[None]:
    """Add the time of a method to a stage."""
    plain = getattr(kind, method)

    async def timed(*args: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return await plain(*args, **named)
        finally:
            stages[stage] = stages.get(stage, 0.0) + time.perf_counter() - started

    with patch.object(kind, method, timed):
        yield
