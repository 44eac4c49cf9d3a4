"""Everything that the settings name, tried once. Nothing is written and nothing is sent to a receiver."""

import asyncio

from aggregator.clock import unix, utc_now
from aggregator.config import Settings
from aggregator.doctor.contracts import contracts
from aggregator.doctor.database import database
from aggregator.doctor.finding import Finding, failing, tried
from aggregator.doctor.heads import clocks, head
from aggregator.doctor.receivers import reached, receivers
from aggregator.wiring import Wired, wire
from chains.cut import cut
from chains.evm.client import EvmClient

ENDPOINT_FIX = "correct chains.<id>.rpc_urls: the URL, its key, and that it serves this chain"
_GAP_FIX = {
    "unreachable": "the endpoint of this chain does not answer: see its line above",
    "no_block": "the chain has no usable block: see its line above",
    "sequencer": "wait: the sequencer is down, or not up for long enough (prices.sequencer_grace_s)",
    "rate_limited": "lower the rate, or name a key of your own",
    "no_leg": "the price that it is quoted in is missing: see that price",
}


async def examine(settings: Settings) -> tuple[Finding, ...]:
    """Lines in the order in which to repair them: chains, contracts, prices, database, receivers."""
    async with wire(settings) as wired:
        chains = await asyncio.gather(*(_chain(client) for client in wired.clients.values()))
        heads = await asyncio.gather(*(head(wired, chain) for chain in wired.clients))
        code = await asyncio.gather(*(contracts(wired, chain) for chain in wired.clients))
        prices = await _prices(wired)
    stored = await database(settings)
    return (
        *chains,
        *(line for line, _ in heads),
        *clocks([skew for _, skew in heads if skew is not None]),
        *(line for lines in code for line in lines),
        *prices,
        *stored,
        *receivers(settings),
        *await reached(settings),
    )


async def _chain(client: EvmClient) -> Finding:
    return await tried(f"chains.{client.chain}: endpoint, chain id, multicall3", client.verify(), ENDPOINT_FIX)


async def _prices(wired: Wired) -> list[Finding]:
    """One line per price and source; a source that is stale or silent fails."""
    now = utc_now()
    at = await cut(wired.clients, wired.settings.finality, unix(now), rules=wired.cycle.rules)
    keys = wired.cycle.maker.registry.price_keys() | wired.cycle.desk.legs
    answers = await asyncio.gather(*(source.quotes(keys, at, unix(now)) for source in wired.cycle.sources))
    lines = []
    for answer in answers:
        for quote in answer.found:
            what, stale = f"price {quote.price_key} from {quote.source}", quote.valid_until
            if stale is not None and stale < unix(now):
                age = f"observed {unix(now) - quote.observed_at} s ago, its limit has passed"
                lines.append(failing(what, age, "the source is not updated any more: look for its successor"))
            else:
                lines.append(Finding(what))
        for gap in answer.gaps:
            what = f"price {gap.price_key} from {gap.source}"
            fix = _GAP_FIX.get(gap.reason, "correct the feed's address or id in the deployments file")
            lines.append(failing(what, f"{gap.reason}: {gap.detail}", fix))
    return sorted(lines, key=lambda line: line.what)
