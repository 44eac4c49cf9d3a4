"""Records what a vol feed with Derive's ABI answers: ``python -m tests.kit.record_vols FILE``.

Derive's own bytecode is in no package: the contract asked is chains/devnet/solidity/DeriveShape.sol.
"""

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path

from chains.caip import Address
from chains.devnet.shapes import shape
from chains.types import Cut, Finality
from oracles.sources.vol_surfaces import DeriveVolSource
from tests.kit.lone_chain import lone_chain
from tests.kit.recorder import Recorder
from tests.kit.venue_reads import client_of

EXPIRY = 1_800_000_000
STRIKES = (1500, 3000, 4500, 40_000)
CASH = "0x" + "00" * 19 + "01"


def main() -> None:
    with lone_chain(957, "--timestamp", "1790000000") as (ctx, node):
        feed = Address(ctx.deployer.deploy(shape("DeriveShape"), CASH, 3000 * 10**18).address)

        async def record() -> dict:
            async with client_of(ctx, node) as client:
                head, recorder = await client.head(Finality.LATEST), Recorder(client)
                wanted = [(EXPIRY, Decimal(strike)) for strike in STRIKES]
                await DeriveVolSource(recorder, "ETH", feed, wanted).surface(Cut({ctx.chain: head}))
                return recorder.content(head) | {"feed": feed}

        found = asyncio.run(record())
    Path(sys.argv[1]).write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
