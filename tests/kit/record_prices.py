"""Records what the devnet's contracts answer to the price sources: ``python -m tests.kit.record_prices FILE``.

The file holds chain, block and every call with its answer; the golden test reads it without a chain.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import wire
from chains.deployments_file import plain
from chains.devnet.world import build
from chains.types import BlockRef, Call, CallResult, Cut
from oracles.catalogue import sources_of, venue_facts
from oracles.params import load_params
from oracles.sources.vol_surfaces import LyraVolSource

CHAIN = "eip155:10"
VENUES = ("aave-v3", "synthetix-perps-v2", "lyra-v1")


class Recorder:
    """Passes calls on and keeps them with their answers."""

    def __init__(self, client) -> None:
        self.client, self.chain, self.calls = client, client.chain, []

    async def call(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        answers = await self.client.call(calls, at)
        self.calls += [[c.to, c.data.hex(), a.success, a.data.hex()] for c, a in zip(calls, answers, strict=True)]
        return answers


async def record(state_dir: Path) -> dict:
    async with wire(devnet_settings(state_dir)) as wired:
        deployment = wired.cycle.deployments[CHAIN]
        deployment = replace(deployment, venues={v: deployment.venues[v] for v in VENUES})
        client = Recorder(wired.clients[CHAIN])
        head = await wired.clients[CHAIN].head(wired.cycle.finality)
        at, now = Cut({CHAIN: head}), utc_now().timestamp()
        keys = wired.cycle.maker.registry.price_keys()
        for source in (*sources_of(client, deployment, load_params()), *venue_facts(client, deployment)):
            await source.quotes(keys, at, now)
        await LyraVolSource(client, "ETH", deployment.venues["lyra-v1"]["ETH.option_market"]).surface(at)
    block = {
        "number": head.number,
        "hash": head.hash,
        "parent_hash": head.parent_hash,
        "timestamp": head.timestamp,
    }
    unique = {(to, data): [to, data, ok, answer] for to, data, ok, answer in client.calls}
    return {"chain": CHAIN, "block": block, "deployments": plain([deployment]), "calls": list(unique.values())}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = build(Path(folder))
        try:
            found = asyncio.run(record(Path(folder)))
        finally:
            world.stop()
    Path(sys.argv[1]).write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
