"""Reading accounts again: the dirty ones until none is left, and some clean ones to see whether that is enough."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chains.accounts import VenueAccount, VenueId
from chains.caip import AccountId, ChainId
from chains.indexer.standing import drift, standing
from chains.indexer.types import IndexEvent, IndexStore, Reading, Readings, Refreshed, Sampled, StoredAccount
from chains.protocols import VenueReader
from chains.types import BlockRef, Cut

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 60.0
UNKNOWN: Final = "unknown_mode"
"""Reason of a failure that reading again does not mend: it stands as unknown until the next event."""


@dataclass(slots=True)
class Rereader:
    """Reads accounts of one chain at its checkpoint; one that fails waits longer each time, the others stand."""

    chain: ChainId
    readers: Sequence[VenueReader]
    store: IndexStore
    tips: Mapping[ChainId, BlockRef]
    """Checkpoints of all chains: some venues need two. Shared, changed by their indexers."""
    observe: Callable[[IndexEvent], None]
    batch: int = 200
    """Accounts per pass; each pass is one block and a few Multicall3 rounds per venue."""
    _not_before: dict[AccountId, tuple[int, float]] = field(default_factory=dict)
    """Mark for which the read of an account failed, and when it is tried again unless a new mark comes first."""

    async def refresh(self) -> None:
        """Read dirty accounts until only those are left that have just failed.

        Raises BlockUnavailable where the checkpoint is orphaned meanwhile, or what the readers raise.
        """
        while True:
            picked = await self.store.pick(self.chain, dirty=True, limit=self.batch)
            now_s = time.monotonic()
            due = [account for account in picked if self._is_due(account, now_s)]
            if not due:
                return
            at, readings = await self._read(due)
            self._put_off(due, readings, now_s)
            await self.store.apply(self.chain, Readings(readings))
            failures = sum(bool(reading.failure) for reading in readings)
            self.observe(Refreshed(self.chain, at, len(readings), failures))

    async def sample(self, count: int) -> None:
        """Read clean accounts taken by chance; what has drifted is stored and told."""
        picked = [a for a in await self.store.pick(self.chain, dirty=False, limit=count) if a.state is not None]
        if not picked:
            return
        _, readings = await self._read(picked)
        drifted: list[tuple[AccountId, VenueId]] = []
        healed: list[Reading] = []
        for account, reading in zip(picked, readings, strict=True):
            if reading.failure or account.state is None:
                continue
            if venues := drift(account.state, reading.state):
                drifted += [(account.account, venue) for venue in venues]
                healed.append(reading)
        if healed:
            await self.store.apply(self.chain, Readings(tuple(healed)))
        self.observe(Sampled(self.chain, len(picked), tuple(drifted)))

    async def _read(self, accounts: Sequence[StoredAccount]) -> tuple[BlockRef, tuple[Reading, ...]]:
        """One reading per account, in order, all at the checkpoint."""
        at, ids = self.tips[self.chain], [account.account for account in accounts]
        found: dict[AccountId, list[VenueAccount]] = defaultdict(list)
        failures: dict[AccountId, list[str]] = defaultdict(list)
        unknown: dict[AccountId, set[VenueId]] = defaultdict(set)
        cut = Cut(dict(self.tips))
        for reader in self.readers:
            result = await reader.read(ids, cut)
            for account in result.accounts:
                found[account.account].append(account)
            for failure in result.failures:
                if failure.reason == UNKNOWN:
                    unknown[failure.account].add(failure.venue)
                else:
                    failures[failure.account].append(f"{failure.venue}: {failure.reason}: {failure.detail}")
        states = {one: standing(found[one], unknown[one]) for one in ids}
        return at, tuple(
            Reading(a.account, a.marks, at, states[a.account], "; ".join(failures[a.account])[:1000])
            for a in accounts
        )

    def _is_due(self, account: StoredAccount, now_s: float) -> bool:
        marks, until_s = self._not_before.get(account.account, (account.marks, 0.0))
        return marks != account.marks or until_s <= now_s

    def _put_off(self, due: Sequence[StoredAccount], readings: Sequence[Reading], now_s: float) -> None:
        for account, reading in zip(due, readings, strict=True):
            if reading.failure:
                pause_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(account.failures, 10))
                self._not_before[account.account] = account.marks, now_s + pause_s
            else:
                self._not_before.pop(account.account, None)
