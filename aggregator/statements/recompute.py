"""What the chains say at a statement's blocks: its venue accounts and prices read again, its figures made again.

The portfolio's figures are made from the stated prices, and the stated prices are compared with what the sources
on the chains say at the same blocks. So a difference names its cause.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from aggregator.config import Settings
from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.statements.make import NONE
from aggregator.statements.model import UNKNOWN, Message, StatedBlock, StatedPrice
from aggregator.wiring import Wired
from chains.caip import ChainId, parse_account
from chains.errors import BlockUnavailable, EndpointError
from chains.types import BlockRef, Cut, Finality
from oracles.types import PriceBook, PriceStatus, ReconciledPrice


class NotReadable(EndpointError):
    """The chains cannot be read at the statement's blocks (any more)."""


class OtherChain(Exception):
    """A stated block is not a block of its chain; carries what is stated and what is there."""

    def __init__(self, what: str, stated: str, found: str) -> None:
        super().__init__(what)
        self.what, self.stated, self.found = what, stated, found


@dataclass(frozen=True, slots=True)
class Again:
    """A statement made again from the chains."""

    report: MarginReport
    """With the stated prices."""
    prices: PriceBook
    """What the chains' own sources agree on, without a memory of earlier rounds."""


def chains_only(settings: Settings) -> Settings:
    """The settings without price sources outside the chains: those have no history at a block."""
    prices = settings.prices.model_copy(update={"exchanges": (), "hermes": None})
    return settings.model_copy(update={"prices": prices})


async def recompute(wired: Wired, message: Message) -> Again:
    """Read and compute at the stated blocks.

    Raises OtherChain where a stated block is not one of its chain, NotReadable where a chain of the statement is
    not configured or its state at the block is not kept by the endpoint.
    """
    at = await _cut(wired, message)
    accounts = tuple(parse_account(account) for account in message.accounts)
    now = datetime.fromtimestamp(message.as_of, UTC)
    world = await wired.cycle.world_at(at, now, Portfolios({message.portfolio: accounts}))
    unread = [failure for read in world.reads for failure in read.failures if failure.reason == "unreachable"]
    if unread:
        first = unread[0]
        raise NotReadable(
            f"{first.account} {first.venue}: cannot be read at the stated block (an archive endpoint may be "
            f"needed): {first.detail}"
        )
    (report,) = wired.cycle.maker.make(replace(world, book=PriceBook({p.price_key: p for p in _stated(message)})))
    return Again(report, world.book or PriceBook({}))


async def _cut(wired: Wired, message: Message) -> Cut:
    blocks = {ChainId(block.chain): await _block(wired, block) for block in message.blocks}
    missing = {chain: "the statement names no block of it" for chain in wired.clients if chain not in blocks}
    return Cut(blocks, missing)


async def _block(wired: Wired, stated: StatedBlock) -> BlockRef:
    client = wired.clients.get(ChainId(stated.chain))
    if client is None:
        raise NotReadable(f"chains.{stated.chain}: the statement rests on it, the settings do not have it")
    what, said = f"block {stated.number} of {stated.chain}", f"{stated.hash} at {stated.timestamp}"
    try:
        (found,) = await client.blocks([stated.number], Finality(stated.finality))
    except BlockUnavailable:
        raise OtherChain(what, said, "no such block") from None
    except ValueError:
        raise OtherChain(f"finality of {what}", stated.finality, "no such finality") from None
    if (found.hash, found.timestamp) != (stated.hash, stated.timestamp):
        raise OtherChain(what, said, f"{found.hash} at {found.timestamp}")
    return found


def _stated(message: Message) -> Iterator[ReconciledPrice]:
    return (
        ReconciledPrice(
            price.price_key,
            PriceStatus(price.status),
            "as stated",
            low=amount(price.low_usd),
            mid=amount(price.mid_usd),
            high=amount(price.high_usd),
            ceiling=amount(price.borrow_ceiling_usd),
        )
        for price in message.prices
    )


def amount(text: str) -> Decimal | None:
    """A stated amount."""
    return None if text in {UNKNOWN, NONE} else Decimal(text)


def on_chain(price: StatedPrice) -> bool:
    """Whether all that quoted the price can be asked again at a block."""
    return all("@eip155:" in source for source in price.sources)
