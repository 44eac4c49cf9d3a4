"""Drafts tried on forks of the chains: every transaction in order, then the report as it would be."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aggregator.advice.pieces import Draft
from aggregator.config import ChainSettings, Settings
from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.wiring import wire
from chains.accounts import VenueId
from chains.caip import ChainId
from chains.deployments import ChainDeployment
from chains.forks import execute, node
from chains.forks.node import Forks
from chains.forks.spec import ForkSpec

ACROSS = VenueId("across")


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """Running forks of all chains of the settings."""

    settings: Settings
    """The same, over the forks."""
    urls: Mapping[ChainId, str]
    deployments: Mapping[ChainId, ChainDeployment]

    async def after(self, draft: Draft, portfolios: Portfolios, now: datetime) -> MarginReport:
        """Report after the plan; the forks are as before again. Raises SimulationFailed for a plan that fails."""
        kept = {chain: await asyncio.to_thread(execute.snapshot, url) for chain, url in self.urls.items()}
        try:
            await asyncio.to_thread(self._run, draft)
            async with wire(self.settings) as wired:
                (report,) = await wired.cycle.run(now, portfolios)
                return report
        finally:
            for chain, id_ in kept.items():
                await asyncio.to_thread(execute.revert, self.urls[chain], id_)

    def _run(self, draft: Draft) -> None:
        for transaction in draft.transactions:
            logs = execute.send(self.urls[transaction.chain], transaction)
            spoke = self.deployments[transaction.chain].venues.get(ACROSS)
            if spoke is None:
                continue
            for deposit in execute.deposits_of(transaction.chain, logs, spoke["spoke_pool"]):
                execute.pay_out(self.urls, self.deployments, deposit)
        execute.meet(self.urls)


@asynccontextmanager
async def bench(settings: Settings, deployments: Mapping[ChainId, ChainDeployment]) -> AsyncIterator[Bench]:
    """Fork every chain; the processes end with the block."""
    specs = [
        ForkSpec(ChainId(chain), item.rpc_urls[0].get_secret_value()) for chain, item in settings.chains.items()
    ]
    forks = await _started(specs)
    try:
        urls = {chain: fork.node.http_url for chain, fork in forks.by_chain.items()}
        yield Bench(_over(settings, urls), urls, deployments)
    finally:
        await asyncio.to_thread(forks.stop)


async def _started(specs: list[ForkSpec]) -> Forks:
    """Forks; where nobody waits for them any more they are ended, for a thread cannot be stopped half way."""
    starting = asyncio.ensure_future(asyncio.to_thread(node.start, specs))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        forks = await starting
        await asyncio.to_thread(forks.stop)
        raise


def _over(settings: Settings, urls: Mapping[ChainId, str]) -> Settings:
    chains = {
        chain: ChainSettings.model_validate({**item.model_dump(), "rpc_urls": (urls[ChainId(chain)],)})
        for chain, item in settings.chains.items()
    }
    return settings.model_copy(update={"chains": chains})
