"""What happens at the head of a chain, as it happens: over WebSocket while there is one, by asking otherwise.

A subscription may miss what happened while it was broken, and a head that goes back is never announced: consumers
compare parent hashes, and treat ``Gap`` as a range to read again.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from chains.caip import ChainId
from chains.errors import ChainError, EndpointError
from chains.evm.ws_wire import Feed
from chains.types import BlockRef, Finality

log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.25
_PAUSE_CAP_S: Final = 15.0
_QUANTITY = re.compile(r"0x[0-9a-fA-F]+")
_WORD = re.compile(r"0x[0-9a-fA-F]{64}")


class Subscribing(Protocol):
    """What is needed of a transport."""

    @property
    def has_sockets(self) -> bool:
        """Whether a WebSocket endpoint is configured."""
        ...

    async def subscribe(self, *params: object) -> Feed:
        """Results until None; raises EndpointError."""
        ...


class HeadReader(Protocol):
    """What is needed of a client."""

    @property
    def chain(self) -> ChainId:
        """The chain."""
        ...

    async def head(self, tag: Finality) -> BlockRef:
        """Block at the tag now."""
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """The subscription began, or began again: what happened before is not announced."""


async def heads(
    client: HeadReader, transport: Subscribing, *, poll_s: float = 2.0, silence_s: float = 15.0
) -> AsyncIterator[BlockRef]:
    """New latest blocks, each hash once in a row, for ever.

    Parameters
    ----------
    poll_s : how often the head is asked while there is no subscription.
    silence_s : how long a subscription may say nothing before the head is asked all the same: it also finds a head
        that went back, and a socket that stands but is dead.

    Endpoint failures are logged once, and once their end; the iterator goes on.
    """
    inbox: asyncio.Queue[msgspec.Raw | Gap | None] = asyncio.Queue()
    pump = asyncio.create_task(_pump(client.chain, transport, ("newHeads",), inbox))
    watch = _Watch(client)
    live, last = False, ""
    try:
        block = await watch.poll()
        while True:
            if block is not None and block.hash != last:
                last = block.hash
                yield block
            item: msgspec.Raw | Gap | None = None
            with suppress(TimeoutError):
                async with asyncio.timeout(silence_s if live else poll_s):
                    item = await inbox.get()
                    live = item is not None
            announced = block_of(client.chain, item) if isinstance(item, msgspec.Raw) else None
            block = announced or await watch.poll()
    finally:
        await _stop(pump)


async def events(
    chain: ChainId, transport: Subscribing, addresses: Sequence[str], topics: Sequence[object] = ()
) -> AsyncIterator[msgspec.Raw | Gap]:
    """Logs as they are announced (``chains.evm.logs`` decodes them), and a ``Gap`` at every (re)connection."""
    query: dict[str, object] = {"address": list(addresses)} if addresses else {}
    if topics:
        query["topics"] = list(topics)
    async with aclosing(announcements(chain, transport, "logs", query)) as stream:
        async for item in stream:
            yield item


async def announcements(
    chain: ChainId, transport: Subscribing, *params: object
) -> AsyncGenerator[msgspec.Raw | Gap, None]:
    """Results of one subscription, made again wherever a socket works, and a ``Gap`` at every (re)connection."""
    inbox: asyncio.Queue[msgspec.Raw | Gap | None] = asyncio.Queue()
    pump = asyncio.create_task(_pump(chain, transport, params, inbox))
    try:
        while True:
            item = await inbox.get()
            if item is not None:
                yield item
    finally:
        await _stop(pump)


async def _pump(
    chain: ChainId,
    transport: Subscribing,
    params: Sequence[object],
    inbox: asyncio.Queue[msgspec.Raw | Gap | None],
) -> None:
    """Subscribe, pass on, subscribe again: a ``Gap`` at every beginning, None at every end."""
    if not transport.has_sockets:
        return
    pause_s, broken = _FIRST_PAUSE_S, False
    while True:
        try:
            feed = await transport.subscribe(*params)
        except EndpointError as error:
            if not broken:
                broken = True
                log.warning(
                    "%s: %s subscription is broken, the head is asked instead: %s", chain, params[0], error
                )
            await asyncio.sleep(pause_s)
            pause_s = min(_PAUSE_CAP_S, 2 * pause_s)
            continue
        if broken:
            log.info("%s: %s subscription works again", chain, params[0])
        pause_s, broken = _FIRST_PAUSE_S, False
        inbox.put_nowait(Gap())
        try:
            while (item := await feed.get()) is not None:
                inbox.put_nowait(item)
        finally:
            feed.closed = True
        inbox.put_nowait(None)
        broken = True
        log.warning("%s: %s subscription was cut, the head is asked instead", chain, params[0])


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class _Watch:
    """Asks for the head; says once that it cannot, and once that it can again."""

    def __init__(self, client: HeadReader) -> None:
        self._client = client
        self._failing = False

    async def poll(self) -> BlockRef | None:
        try:
            block = await self._client.head(Finality.LATEST)
        except ChainError as error:
            if not self._failing:
                self._failing = True
                log.warning("%s: no head: %s", self._client.chain, error)
            return None
        if self._failing:
            self._failing = False
            log.info("%s: heads come again", self._client.chain)
        return block


class _Header(msgspec.Struct, rename="camel", gc=False):
    number: str
    hash: str
    parent_hash: str
    timestamp: str


_header = msgspec.json.Decoder(_Header)


def block_of(chain: ChainId, raw: msgspec.Raw) -> BlockRef | None:
    """Block of a newHeads result; None where it is not one, and must be asked for instead."""
    try:
        header = _header.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    sound = _QUANTITY.fullmatch(header.number) and _QUANTITY.fullmatch(header.timestamp)
    if not (sound and _WORD.fullmatch(header.hash) and _WORD.fullmatch(header.parent_hash)):
        return None
    return BlockRef(
        chain=chain,
        number=int(header.number, 16),
        hash=header.hash.lower(),
        parent_hash=header.parent_hash.lower(),
        timestamp=int(header.timestamp, 16),
        finality=Finality.LATEST,
    )
