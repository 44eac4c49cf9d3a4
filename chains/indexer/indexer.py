"""One chain's index: follow the chain, take reorgs back, read dirty accounts again, and doubt clean ones."""

import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, Protocol

from chains.caip import Address, ChainId, account_address
from chains.errors import BadAnswer, BlockUnavailable, ChainError, EndpointError
from chains.events import VenueEvents
from chains.indexer.digest import Digest, Watch, digest
from chains.indexer.owned import ask_owners, join
from chains.indexer.ranges import FIRST_RANGE, RangeSize
from chains.indexer.reading import Rereader
from chains.indexer.source import BlockSource, Fetched, Moved, canonical, fetch
from chains.indexer.types import (
    Advance,
    Advanced,
    CheckpointMoved,
    Failing,
    IndexEvent,
    IndexStore,
    Recovered,
    Rollback,
    RolledBack,
    Touches,
)
from chains.indexer.window import BrokenLink, Window
from chains.protocols import ChainClient, VenueReader
from chains.types import BlockRef, Finality

PATIENCE: Final = 3
"""Looks at a chain that ends below our checkpoint before it counts as rolled back: an endpoint may only lag."""
LOOKS: Final = 20
"""Looks in a row at a chain that keeps changing, before the next pause."""
MARGIN_BLOCKS: Final = 128
"""An index that starts at the head starts this much below it."""


class IndexedClient(BlockSource, ChainClient, Protocol):
    """What is asked of the chain; ``EvmClient`` is one."""


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What is indexed of one chain, and how eagerly."""

    chain: ChainId
    venues: tuple[tuple[VenueEvents, Mapping[str, Address]], ...]
    """Events of each venue with the contracts of its deployment."""
    first_block: int | None = None
    """Where the index begins; None: shortly before the head of the first start."""
    sample: int = 10
    """Clean accounts that are read again per interval."""
    sample_interval_s: float = 60.0
    most_blocks: int = 100_000
    """Widest range of one log query."""
    batch: int = 200
    """Accounts that are read at once."""


class Look(Enum):
    """Outcome of one look at the chain."""

    AT_HEAD = auto()
    AGAIN = auto()
    WAIT = auto()


class ChainIndexer:
    """Follows one chain. One round at a time; nothing here touches another chain's data."""

    def __init__(
        self,
        plan: IndexPlan,
        client: IndexedClient,
        readers: Sequence[VenueReader],
        store: IndexStore,
        tips: MutableMapping[ChainId, BlockRef],
        observe: Callable[[IndexEvent], None],
    ) -> None:
        self._plan = plan
        self._client = client
        self._store = store
        self._tips = tips
        self._observe = observe
        self._reread = Rereader(plan.chain, readers, store, tips, observe, plan.batch)
        self._window: Window | None = None
        self._start = plan.first_block
        self._watch: Watch | None = None
        self._size = RangeSize(min(FIRST_RANGE, plan.most_blocks), plan.most_blocks)
        self._short_looks = 0
        self._failing = False
        self._sampled_at: float | None = None

    @property
    def chain(self) -> ChainId:
        """The chain."""
        return self._plan.chain

    async def round(self) -> bool:
        """Catch up with the head and read what is dirty. True where the head was reached.

        Raises nothing of ChainError: trouble is told once, and its end once; what was committed stands.
        """
        try:
            done = await self._round()
        except CheckpointMoved as error:
            self._window = None
            self._failed(error)
            return False
        except (BlockUnavailable, BrokenLink, Moved):
            return False  # a reorg under our hands: the next look finds it
        except ChainError as error:
            self._failed(error)
            return False
        if self._failing:
            self._failing = False
            self._observe(Recovered(self.chain))
        return done

    async def _round(self) -> bool:
        for _ in range(LOOKS):
            look = await self.follow()
            if look is Look.AT_HEAD:
                await self._reread.refresh()
                await self._doubt()
                return True
            if look is Look.WAIT:
                break
        return False

    async def follow(self) -> Look:
        """Index everything up to the present head, or take one reorg back."""
        head = await self._client.head(Finality.LATEST)
        window = await self._opened()
        if self._watch is None:
            self._watch = await self._find_contracts(head)
        if window.tip is not None and not await self._stands(window.tip):
            return await self._leave(window.tip, head)
        while (first := self._next(head)) <= head.number:
            try:
                await self._step(first, head)
            except (Moved, BrokenLink, BlockUnavailable):
                return Look.AGAIN
        return Look.AT_HEAD

    def forget(self) -> None:
        """Another process follows the chain now: its blocks are loaded anew before the next look."""
        self._window = None

    async def _opened(self) -> Window:
        if self._window is None:
            self._window = Window(await self._store.load(self.chain))
            if self._window.tip is not None:
                self._tips[self.chain] = self._window.tip
                self._start = self._window.anchors[0].number
        return self._window

    def _next(self, head: BlockRef) -> int:
        if self._window is not None and self._window.tip is not None:
            return self._window.tip.number + 1
        if self._start is None:
            self._start = max(0, head.number - MARGIN_BLOCKS)
        return self._start

    async def _stands(self, tip: BlockRef) -> bool:
        (here,) = await self._client.known([tip.number], Finality.LATEST)
        stands = here is not None and here.hash == tip.hash
        if stands:
            self._short_looks = 0
        return stands

    async def _leave(self, tip: BlockRef, head: BlockRef) -> Look:
        """Take orphaned blocks back, or wait where the chain may only look short from a lagging endpoint."""
        if head.number < tip.number and self._short_looks + 1 < PATIENCE:
            self._short_looks += 1
            return Look.WAIT
        self._short_looks = 0
        window = await self._opened()
        fork = await canonical(self._client, window)
        to = fork if fork >= 0 else (self._start or 0) - 1
        await self._store.apply(self.chain, Rollback(tip, to))
        self._window = window.cut(to)
        if self._window.tip is None:
            self._tips.pop(self.chain, None)
        else:
            self._tips[self.chain] = self._window.tip
        self._observe(RolledBack(self.chain, tip, to))
        return Look.AGAIN

    async def _step(self, first: int, head: BlockRef) -> None:
        """Read one range and commit it."""
        window, watch = await self._opened(), self._watch
        if watch is None:
            raise Moved(f"{self.chain}: the contracts are not known yet")
        last, started = min(head.number, first + self._size.blocks - 1), time.monotonic()
        fetched = await self._fetch(watch, first, last, head)
        if fetched is None:
            return
        longer, found = window.extended(fetched.blocks), digest(fetched.logs, watch)
        if found.grew:
            wider = await self._find_contracts(head)
            if wider != watch:
                self._watch = wider
                return  # the same range again, with the contracts that joined
        touches = await self._owned(found, fetched.blocks[-1], head)
        thin, dropped = longer.thinned()
        remembered = tuple(block for block in fetched.blocks if block.number not in dropped)
        older = tuple(number for number in dropped if number < first)
        await self._store.apply(self.chain, Advance(window.tip, remembered, touches, older))
        self._window, tip = thin, fetched.blocks[-1]
        self._tips[self.chain] = tip
        seconds = time.monotonic() - started
        self._size = self._size.after(seconds, len(fetched.logs))
        accounts = frozenset({*touches.found, *touches.mentioned})
        counts = (last - first + 1, len(fetched.logs), found.undecodable)
        self._observe(Advanced(self.chain, tip, head.number, *counts, accounts, seconds))

    async def _owned(self, digested: Digest, tip: BlockRef, head: BlockRef) -> Touches:
        """What the logs say, with the owners of positions that they name by id only."""
        if not digested.unnamed:
            return digested.touches
        at = tip if tip.number == head.number else head
        found = dict(digested.touches.found)
        for account, blocks in (await ask_owners(self._client, self._plan.venues, digested.unnamed, at)).items():
            join(found, self.chain, account_address(account), blocks)
        return replace(digested.touches, found=found)

    async def _fetch(self, watch: Watch, first: int, last: int, head: BlockRef) -> Fetched | None:
        """The range, or None where it was refused and a smaller one is to be tried."""
        try:
            return await fetch(self._client, watch, first, last, head.number)
        except BadAnswer:
            if first == last:
                raise
            self._size = RangeSize(last - first + 1, self._size.most).smaller()
            return None
        except EndpointError:
            self._size = self._size.smaller()
            raise

    async def _find_contracts(self, at: BlockRef) -> Watch:
        contracts = {
            events.venue: await events.contracts(self._client, names, at) for events, names in self._plan.venues
        }
        return Watch(self.chain, tuple(events for events, _ in self._plan.venues), contracts)

    async def _doubt(self) -> None:
        """Every interval, some clean accounts."""
        now_s = time.monotonic()
        if self._sampled_at is None:
            self._sampled_at = now_s
        if now_s - self._sampled_at >= self._plan.sample_interval_s and self._plan.sample:
            self._sampled_at = now_s
            await self._reread.sample(self._plan.sample)

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            self._observe(Failing(self.chain, str(error)))
