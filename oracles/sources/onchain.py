"""What the sources on a chain share: reading at the cut's block, and gaps instead of exceptions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chains.errors import ChainError, Reverted
from chains.protocols import ChainClient
from chains.types import BlockRef, Call, CallResult, Cut
from oracles.types import QuoteGap, Quotes


@dataclass(frozen=True, slots=True)
class Unread:
    """Why nothing of a source could be read: a gap's reason code and detail."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class OnChain:
    """A source's identity on one chain."""

    group: str
    client: ChainClient

    @property
    def name(self) -> str:
        """For example ``pyth@eip155:10``."""
        return f"{self.group}@{self.client.chain}"

    async def read(self, calls: Sequence[Call], cut: Cut) -> tuple[BlockRef, tuple[CallResult, ...]] | Unread:
        """Answers at the cut's block of the chain, with the block."""
        at = cut.blocks.get(self.client.chain)
        if at is None:
            return Unread("no_block", cut.failures.get(self.client.chain, "the cut has no block of this chain"))
        try:
            return at, await self.client.call(calls, at)
        except ChainError as error:
            return Unread("unreachable", str(error))

    def gap(self, price_key: str, reason: str, detail: str) -> QuoteGap:
        """Gap of one price."""
        return QuoteGap(price_key, self.name, self.group, reason, detail)

    def failed(self, price_key: str, error: ChainError) -> QuoteGap:
        """Gap of a call that the contract refused or answered wrongly."""
        return self.gap(price_key, "no_answer" if isinstance(error, Reverted) else "undecodable", str(error))

    def nothing(self, keys: Collection[str], why: Unread) -> Quotes:
        """The same gap for every price."""
        return Quotes(gaps=tuple(self.gap(key, why.reason, why.detail) for key in sorted(keys)))
