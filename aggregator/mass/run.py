"""One scan of very many portfolios: shards of one size in one order, so that every engine gives equal bits."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, Protocol

import numpy as np

from aggregator.mass.snapshot import Market, Snapshot, reprice
from aggregator.rounding import each_down, each_up
from aggregator.store.mass import MassLog, MassRow
from risk.arrays import F64
from risk.scan import scan
from risk.status import Status

SHARD: Final = 10_000
"""Portfolios per shard: some seconds of work for a slow node, little enough to be written in one go."""
LEVEL: Final = 0.975


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Of one shard, in its order."""

    first: int
    most: F64
    es: F64


class Engine(Protocol):
    """Gives the losses of shards, in their order."""

    def session(self) -> AbstractContextManager[object]:
        """What is started once for several calls."""
        ...

    def losses(self, snapshot: Snapshot, changes: F64) -> Iterator[Losses]:
        """One after the other; those that follow may be worked on meanwhile."""
        ...

    def reprice(self, market: Market) -> F64:
        """(N, S) change of each instrument's unit value in each scenario."""
        ...


@dataclass(frozen=True, slots=True)
class Local:
    """Threads of this process; the compiled loops hold no interpreter lock."""

    threads: int = 2

    def session(self) -> AbstractContextManager[object]:
        """Nothing needs to be started."""
        return nullcontext()

    def losses(self, snapshot: Snapshot, changes: F64) -> Iterator[Losses]:
        """Shard after shard, each on all threads."""
        for first in range(0, snapshot.count, SHARD):
            found = scan(snapshot.units[first : first + SHARD], changes, LEVEL, threads=self.threads)
            yield Losses(first, found.most, found.es if found.es is not None else found.most)

    def reprice(self, market: Market) -> F64:
        """In one go."""
        return reprice(market)


@dataclass(slots=True)
class Profile:
    """Where the time went, seconds by stage."""

    stages: dict[str, float] = field(default_factory=dict)
    portfolios: int = 0
    statuses: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages[stage] = self.stages.get(stage, 0.0) + time.perf_counter() - started

    @property
    def total_s(self) -> float:
        """All stages."""
        return sum(self.stages.values())


async def mass_scan(
    snapshot: Snapshot,
    changes: F64,
    engine: Engine,
    log: MassLog | None,
    profile: Profile,
    tell: Callable[[int], None] = lambda _: None,
) -> str:
    """Scan every portfolio and store one row of each in one transaction per shard; the scan's id."""
    scan_id = f"scan_{uuid.uuid4().hex}"
    source = engine.losses(snapshot, changes)
    while True:
        with profile.timed("scan"):
            losses = next(source, None)
        if losses is None:
            return scan_id
        with profile.timed("judge"):
            rows = _rows(scan_id, snapshot, losses)
        for row in rows:
            profile.statuses[row.status] = profile.statuses.get(row.status, 0) + 1
        profile.portfolios += len(rows)
        if log is not None:
            with profile.timed("store"):
                await log.add(rows)
        tell(profile.portfolios)


def _rows(scan_id: str, snapshot: Snapshot, losses: Losses) -> list[MassRow]:
    """Rows of a shard; what is required rounds up, what is left down."""
    last = losses.first + len(losses.most)
    surplus, es = snapshot.surplus_usd[losses.first : last], np.maximum(losses.es, 0.0)
    excess = surplus - es
    short = np.where(excess < 0, Status.WATCH.value, Status.SAFE.value)
    status = np.where(surplus < 0, Status.LIQUIDATABLE.value, short)
    amounts = each_up(losses.most.tolist()), each_up(es.tolist()), each_down(excess.tolist())
    names = map(snapshot.name, range(losses.first, last))
    return list(map(MassRow, repeat(scan_id), names, status.tolist(), *amounts))
