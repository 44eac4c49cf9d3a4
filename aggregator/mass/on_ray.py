"""The scan on a Ray cluster (extra ``scale``): the same shards in the same order, so the same bits as here.

The value matrix goes to each node once; a shard takes its own rows. Without an address Ray runs on this host.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aggregator.errors import ServiceError
from aggregator.mass.run import LEVEL, SHARD, Losses
from aggregator.mass.snapshot import Snapshot
from risk.arrays import F64
from risk.scan import scan

AHEAD = 4
"""Shards handed out per worker before the first of them is asked for."""


@dataclass(frozen=True, slots=True)
class OnRay:
    """Workers of a cluster; one thread each, as Ray places them by cores."""

    address: str | None = None
    workers: int = 2

    def losses(self, snapshot: Snapshot, changes: F64) -> Iterator[Losses]:
        """Shards in order; at most a few per worker are under way."""
        ray = _ray()
        began = not ray.is_initialized()
        if began:
            ray.init(
                address=self.address, num_cpus=None if self.address else self.workers, include_dashboard=False,
                log_to_driver=False, configure_logging=False,
            )  # fmt: skip
        try:
            yield from _shards(ray, snapshot, changes, self.workers * AHEAD)
        finally:
            if began:
                ray.shutdown()


def _shards(ray: Any, snapshot: Snapshot, changes: F64, most: int) -> Iterator[Losses]:
    work, shared = ray.remote(max_retries=3)(_losses), ray.put(changes)
    starts, pending = iter(range(0, snapshot.count, SHARD)), []
    while True:
        for first in starts:
            pending.append((first, work.remote(snapshot.units[first : first + SHARD], shared)))
            if len(pending) == most:
                break
        if not pending:
            return
        first, answer = pending.pop(0)
        worst, es = ray.get(answer)
        yield Losses(first, worst, es)


def _losses(units: Any, changes: F64) -> tuple[F64, F64]:
    found = scan(units, changes, LEVEL)
    return found.most, found.most if found.es is None else found.es


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise ServiceError("the engine `ray` needs the extra `scale`: pip install 'crossmargin[scale]'") from None
    return ray
