"""The blocks that were indexed, as far as they are remembered: how a reorg is seen and how far it goes. Pure.

Dense near the tip, where reorgs happen; behind that sparse with growing gaps, so that a reorg of any depth finds a
block from before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chains.errors import ChainError
from chains.types import BlockRef

DENSE: Final = 128
"""Blocks below the tip that are all remembered."""
GAP_SHARE: Final = 8
"""Further back, a gap may be as long as this part of the distance to the tip."""


class BrokenLink(ChainError):
    """Blocks that were to follow each other do not: the chain changed while it was being read."""


@dataclass(frozen=True, slots=True)
class Window:
    """Remembered blocks of one chain, ascending."""

    anchors: tuple[BlockRef, ...] = ()

    @property
    def tip(self) -> BlockRef | None:
        """The checkpoint."""
        return self.anchors[-1] if self.anchors else None

    def extended(self, blocks: Sequence[BlockRef]) -> "Window":
        """With blocks added; raises BrokenLink where one does not point to the one before it."""
        anchors = list(self.anchors)
        for block in blocks:
            if anchors:
                last = anchors[-1]
                if block.number <= last.number:
                    raise BrokenLink(f"{block.chain}: block {block.number} does not come after {last.number}")
                if block.number == last.number + 1 and block.parent_hash != last.hash:
                    raise BrokenLink(
                        f"{block.chain}: block {block.number} has parent {block.parent_hash}, expected {last.hash}"
                    )
            anchors.append(block)
        return Window(tuple(anchors))

    def cut(self, number: int) -> "Window":
        """Without the blocks above a number."""
        return Window(tuple(anchor for anchor in self.anchors if anchor.number <= number))

    def thinned(self) -> tuple["Window", tuple[int, ...]]:
        """With the gaps that distance allows, and the numbers that were dropped for it."""
        if self.tip is None:
            return self, ()
        top = self.tip.number
        kept: list[BlockRef] = []
        for anchor in reversed(self.anchors):
            back = top - anchor.number
            oldest = anchor is self.anchors[0]  # stays: it says where the index began
            if oldest or back <= DENSE or not kept or kept[-1].number - anchor.number >= back // GAP_SHARE:
                kept.append(anchor)
        numbers = {anchor.number for anchor in kept}
        dropped = tuple(anchor.number for anchor in self.anchors if anchor.number not in numbers)
        return Window(tuple(reversed(kept))), dropped

    def fork(self, canonical: Iterable[BlockRef | None]) -> int:
        """Number of the highest remembered block that is canonical; -1 where none is.

        ``canonical``: blocks that the chain has now, None where it has none.
        """
        hashes = {block.number: block.hash for block in canonical if block is not None}
        same = (a.number for a in reversed(self.anchors) if hashes.get(a.number) == a.hash)
        return next(same, -1)


def wanted_headers(first: int, last: int, head: int) -> tuple[int, ...]:
    """Numbers of the blocks of a range to remember: both ends, and all that are close to the head."""
    dense_from = max(first, head - DENSE)
    return tuple(sorted({first, last, *range(dense_from, last + 1)}))
