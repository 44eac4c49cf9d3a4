"""Every address of the deployments that a reader calls holds a contract."""

from collections.abc import Iterator

from aggregator.doctor.finding import Finding, failing
from aggregator.wiring import Wired
from chains.caip import Address, ChainId
from chains.deployments import ChainDeployment
from chains.errors import ChainError

ZERO = "0x" + "00" * 20
FIX = "correct the address in the deployments file, or take the entry out"


async def contracts(wired: Wired, chain: ChainId) -> list[Finding]:
    """One line per venue and per kind of feed; those without code name their addresses."""
    deployment = wired.cycle.deployments[chain]
    named = list(_addresses(deployment))
    wanted = sorted({address for _, _, address in named if address.lower() != ZERO})
    try:
        answers = await wired.transports[chain].send([("eth_getCode", [a, "latest"]) for a in wanted])
    except ChainError as error:
        return [failing(f"chains.{chain}: contracts", str(error), "see the line of the chain's endpoint")]
    code = dict(zip(wanted, answers, strict=True))
    lines = []
    for group in dict.fromkeys(group for group, _, _ in named):
        members = [(name, address) for g, name, address in named if g == group]
        bare = [
            f"{name} {address}" for name, address in members if address in code and not _has_code(code[address])
        ]
        what = f"chains.{chain}: {group} ({len(members)} contracts)"
        lines.append(failing(what, f"no code at {', '.join(bare)}", FIX) if bare else Finding(what))
    return lines


def _has_code(answer: object) -> bool:
    return isinstance(answer, str) and len(answer) > len("0x")


def _addresses(deployment: ChainDeployment) -> Iterator[tuple[str, str, Address]]:
    """Group, name and address."""
    yield "multicall3", "multicall3", deployment.multicall3
    for venue, members in deployment.venues.items():
        for name, address in members.items():
            yield f"venue {venue}", name, address
    feeds = deployment.feeds
    for feed in feeds.chainlink:
        yield "feeds chainlink", feed.price_key, feed.proxy
    if feeds.pyth is not None:
        yield "feeds pyth", "pyth", feeds.pyth.contract
    for pool in feeds.twap:
        yield "feeds twap", pool.price_key, pool.pool
    for rate in feeds.rates:
        yield "feeds rates", rate.price_key, rate.contract
    if feeds.sequencer_uptime is not None:
        yield "feeds sequencer", "uptime", feeds.sequencer_uptime
