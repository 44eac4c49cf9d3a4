"""Prices read on an L2 whose sequencer is down or has only just come back do not count, whoever published them.

While it is down nobody can correct a feed, push an update or trade against a pool; right after it the first prices
are those of whoever was first in the queue.
"""

from collections.abc import Collection
from dataclasses import dataclass

from chains.caip import ChainId
from chains.types import ChainStatus, Cut
from oracles.protocols import PriceSource
from oracles.types import QuoteGap, Quotes

_OUT = (ChainStatus.SEQUENCER_DOWN, ChainStatus.SEQUENCER_RECOVERING)


@dataclass(frozen=True, slots=True)
class SequencerGuard:
    """A source on a chain, silent by the cut's word on the chain's sequencer."""

    inner: PriceSource
    chain: ChainId

    @property
    def name(self) -> str:
        """That of the source."""
        return self.inner.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """Quotes and gaps of the source; every quote becomes a gap while the sequencer cannot be relied on."""
        answer = await self.inner.quotes(keys, cut, received_at)
        state = cut.states.get(self.chain)
        if state is None or state.status not in _OUT:
            return answer
        held = (QuoteGap(q.price_key, q.source, q.group, "sequencer", state.reason) for q in answer.found)
        return Quotes(gaps=(*answer.gaps, *held))
