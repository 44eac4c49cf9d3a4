"""Records what the devnet's contracts answer to the price sources: ``python -m tests.kit.record_prices FILE``.

The file holds chain, block and every call with its answer; the golden test reads it without a chain.
"""

import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import wire
from chains.deployments_file import plain
from chains.devnet.world import build
from chains.types import Cut
from oracles.catalogue import sources_of, venue_facts
from oracles.params import load_params
from oracles.sources.vol_surfaces import LyraVolSource
from tests.kit.recorder import Recorder

CHAIN = "eip155:10"
VENUES = ("aave-v3", "synthetix-perps-v2", "lyra-v1")


async def record(state_dir: Path) -> dict:
    async with wire(devnet_settings(state_dir)) as wired:
        deployment = wired.cycle.deployments[CHAIN]
        deployment = replace(deployment, venues={v: deployment.venues[v] for v in VENUES})
        client = Recorder(wired.clients[CHAIN])
        head = await wired.clients[CHAIN].head(wired.cycle.finality)
        at, now = Cut({CHAIN: head}), utc_now().timestamp()
        keys = wired.cycle.maker.registry.price_keys() | {rate.price_key for rate in deployment.feeds.rates}
        for source in (*sources_of(client, deployment, load_params()), *venue_facts(client, deployment)):
            await source.quotes(keys, at, now)
        await LyraVolSource(client, "ETH", deployment.venues["lyra-v1"]["ETH.option_market"]).surface(at)
    return client.content(head) | {"deployments": plain([deployment])}


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
