"""What the index asks of a chain, and the steps that read a range of it safely."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chains.indexer.digest import Watch
from chains.indexer.window import Window, wanted_headers
from chains.types import BlockRef, Finality, Log, LogFilter


class BlockSource(Protocol):
    """Blocks and logs of one chain; ``EvmClient`` is one."""

    async def head(self, tag: Finality) -> BlockRef:
        """Block at the tag now."""
        ...

    async def known(self, numbers: Sequence[int], finality: Finality) -> tuple[BlockRef | None, ...]:
        """Blocks by number, None where the chain has none."""
        ...

    async def logs_between(self, wanted: LogFilter, ends: Sequence[BlockRef]) -> tuple[Log, ...]:
        """Logs of a range, with its end blocks proven to be these in the same exchange."""
        ...


class Moved(Exception):
    """The chain changed while it was being read; look again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A range that was read."""

    blocks: tuple[BlockRef, ...]
    """Blocks to remember, ascending, the last of the range among them."""
    logs: tuple[Log, ...]


async def fetch(source: BlockSource, watch: Watch, first: int, last: int, head: int) -> Fetched:
    """Headers first, then the logs together with the end blocks once more.

    In that order a reorg in between can only leave headers that the next look finds orphaned; logs before headers
    could leave blocks whose logs were never read. Raises Moved, BlockUnavailable, or what the endpoint refuses.
    """
    numbers = wanted_headers(first, last, head)
    headers = [block for block in await source.known(numbers, Finality.LATEST) if block is not None]
    if len(headers) != len(numbers):
        raise Moved(f"{watch.chain}: blocks {first} to {last} are not all there")
    wanted = LogFilter(first, last, watch.addresses, (watch.topics,))
    if not wanted.addresses:
        return Fetched(tuple(headers), ())
    ends = (headers[0], headers[-1]) if first != last else (headers[0],)
    return Fetched(tuple(headers), await source.logs_between(wanted, ends))


async def canonical(source: BlockSource, window: Window) -> int:
    """Number of the highest remembered block that the chain still has; -1 where it has none of them.

    The newest are asked first: most reorgs are shallow.
    """
    anchors, newest = window.anchors, 16
    for part in (anchors[-newest:], anchors[:-newest]):
        found = await source.known([anchor.number for anchor in part], Finality.LATEST) if part else ()
        fork = window.fork(found)
        if fork >= 0:
            return fork
    return -1
