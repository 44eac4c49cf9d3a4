"""``handles.json``: the contracts of a running devnet, written for the processes that drive it later."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from chains.caip import chain_number
from chains.devnet.anvil import AnvilError, rpc
from chains.devnet.chain_world import ChainWorld
from chains.devnet.chainlink import DECIMALS
from chains.devnet.context import ChainContext
from chains.devnet.deploy import Deployer
from chains.devnet.handles import Reader, Writer
from chains.devnet.worldfile import NodeInfo, WorldFile, path_of, write_atomically

NAME = "handles.json"
_CONTEXT = ("tokens", "assets", "feeds", "aggregators", "extra")


def write(state_dir: Path, chains: Mapping[int, ChainWorld]) -> None:
    """Write the handles of all chains."""
    writer, content = Writer(), {}
    for number, world in chains.items():
        context = {name: writer.plain(getattr(world.ctx, name), name) for name in _CONTEXT}
        content[str(number)] = {"context": context, "world": writer.plain(world)}
    write_atomically(state_dir / NAME, {"abis": writer.abis, "chains": content})


def read(state_dir: Path, file: WorldFile) -> dict[int, ChainWorld]:
    """Handles of all chains, prices as the feeds have them now; raises AnvilError where a chain is gone."""
    content = json.loads((state_dir / NAME).read_text())
    found = {}
    for info in file.nodes:
        number = chain_number(info.chain)
        ctx = _context(info)
        reader, kept = Reader(ctx, content["abis"]), content["chains"][str(number)]
        for name in _CONTEXT:
            setattr(ctx, name, reader.value(kept["context"][name]))
        ctx.prices.update(_prices(ctx))
        found[number] = reader.value(kept["world"])
    return found


def remove(state_dir: Path) -> None:
    """Forget a world that has ended."""
    for path in (path_of(state_dir), state_dir / NAME):
        path.unlink(missing_ok=True)


def _context(info: NodeInfo) -> ChainContext:
    number = chain_number(info.chain)
    try:
        answer = int(rpc(info.http_url, "eth_chainId"), 16)
    except OSError:
        raise AnvilError(
            f"{info.name}: nothing answers on port {info.port}: run `crossmargin devnet down`, then `up`"
        ) from None
    if answer != number:
        raise AnvilError(f"{info.name}: port {info.port} serves chain {answer}, not {number}")
    return ChainContext(number, Deployer(info.http_url))


def _prices(ctx: ChainContext) -> dict[str, Decimal]:
    return {
        key: Decimal(aggregator.functions.latestAnswer().call()).scaleb(-DECIMALS)
        for key, aggregator in ctx.aggregators.items()
    }
