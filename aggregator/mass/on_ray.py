"""Work on a Ray cluster (extra ``scale``): the same shards in the same order, so the same bits as in this process.

What all shards need (a value matrix, a market, a price history) goes to each node once; a shard brings only what
is its own. Without an address Ray runs on this host. A shard that dies with its node is done again, three times.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from aggregator.errors import ServiceError
from aggregator.mass.run import LEVEL, SHARD, Losses
from aggregator.mass.snapshot import Market, Snapshot, linear_changes, option_changes
from risk.arrays import F64
from risk.scan import scan

AHEAD = 4
"""Shards handed out per worker before the first of them is asked for."""
OPTIONS = 64
"""Options per shard of a repricing."""


@dataclass(frozen=True, slots=True)
class OnRay:
    """Workers of a cluster; one thread each, as Ray places them by cores."""

    address: str | None = None
    workers: int = 2

    def losses(self, snapshot: Snapshot, changes: F64) -> Iterator[Losses]:
        """Shards of a scan, in order."""
        starts = range(0, snapshot.count, SHARD)
        units = (snapshot.units[first : first + SHARD] for first in starts)
        for first, (worst, es) in zip(starts, self.spread(_losses, changes, units), strict=True):
            yield Losses(first, worst, es)

    def reprice(self, market: Market) -> F64:
        """(N, S) like ``snapshot.reprice``: options in shards, the market once per node."""
        starts = range(0, len(market.options.forward), OPTIONS)
        parts = self.spread(_option_shard, market, starts)
        return np.concatenate((linear_changes(market), *parts))

    def spread(self, work: Callable[[Any, Any], Any], shared: object, items: Iterable[object]) -> Iterator[Any]:
        """``work(shared, item)`` of every item, in their order; at most a few per worker are under way."""
        with self.session() as ray:
            task, common = ray.remote(max_retries=3)(work), ray.put(shared)
            source = iter(items)
            pending: list[Any] = []
            while True:
                room = self.workers * AHEAD - len(pending)
                pending += [task.remote(common, item) for item in islice(source, room)]
                if not pending:
                    return
                yield ray.get(pending.pop(0))

    @contextmanager
    def session(self) -> Iterator[Any]:
        """The running Ray, or one for the time of the block: what is done inside starts none of its own."""
        ray = _ray()
        began = not ray.is_initialized()
        if began:
            ray.init(
                address=self.address, num_cpus=None if self.address else self.workers, include_dashboard=False,
                log_to_driver=False, configure_logging=False,
            )  # fmt: skip
        try:
            yield ray
        finally:
            if began:
                ray.shutdown()


def _losses(changes: F64, units: Any) -> tuple[F64, F64]:
    found = scan(units, changes, LEVEL)
    return found.most, found.most if found.es is None else found.es


def _option_shard(market: Market, first: int) -> F64:
    return option_changes(market, first, OPTIONS)


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise ServiceError("the engine `ray` needs the extra `scale`: pip install 'crossmargin[scale]'") from None
    return ray
