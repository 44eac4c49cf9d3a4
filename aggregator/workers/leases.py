"""Leases in PostgreSQL: statements only, each in a transaction of the caller. The database's clock decides.

A lease belongs to its owner as long as the owner's own row says that it lives, so that a beat writes one row
however many leases there are. A lease that changes hands counts its epoch up: whoever writes under a lease proves
owner and epoch in the transaction that writes, and holds the row until it commits. Whoever takes leases skips
rows that are held, so that nothing is taken from under a write.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Interval, and_, cast, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.workers.tables import LEASES, WORKERS

SHARDS: Final = 2048
"""Portfolios are dealt out by a hash of their name: enough shards for dozens of workers to hold equal parts."""
SHARD, CHAIN, TASK, RATE = "shard", "chain", "task", "rate"
KINDS: Final = (SHARD, CHAIN, TASK, RATE)
UPKEEP: Final = "task-upkeep"
FORGET_S: Final = 3600
"""Rows of the dead go after this long."""


class Peer(NamedTuple):
    """A living process."""

    id: str
    book: str


def chain_lease(chain: str) -> str:
    """Name of the lease on a chain's events."""
    return f"chain-{chain}"


def rate_lease(digest: str) -> str:
    """Name of the lease on an endpoint's rate."""
    return f"rate-{digest}"


def shard_lease(number: int) -> str:
    """Name of the lease on a shard."""
    return f"shard-{number:04d}"


def _epochs(rows: Iterable[Any]) -> dict[str, int]:
    return {row.name: row.epoch for row in rows}


def now() -> Any:
    """The database's clock, which goes on within a transaction."""
    return func.clock_timestamp()


async def seed(connection: AsyncConnection, chains: Collection[str], rates: Collection[str] = ()) -> None:
    """Make the leases that are not there yet; ``rates``: names of those on endpoints' rates."""
    rows = [(shard_lease(number), SHARD) for number in range(SHARDS)]
    rows += [(chain_lease(chain), CHAIN) for chain in sorted(chains)] + [(UPKEEP, TASK)]
    rows += [(name, RATE) for name in sorted(rates)]
    values = [{"name": name, "kind": kind, "epoch": 0} for name, kind in rows]
    await connection.execute(insert(LEASES).on_conflict_do_nothing(index_elements=["name"]), values)


async def live_on(connection: AsyncConnection, worker: str, lease_s: float, book: str) -> None:
    """Say that a process lives."""
    until = now() + cast(literal(timedelta(seconds=lease_s)), Interval)
    row = {"until": until, "book": book}
    said = insert(WORKERS).values(id=worker, **row)
    await connection.execute(said.on_conflict_do_update(index_elements=["id"], set_=row))
    long_dead = WORKERS.c.until < now() - cast(literal(timedelta(seconds=FORGET_S)), Interval)
    await connection.execute(delete(WORKERS).where(long_dead))


async def living(connection: AsyncConnection) -> list[Peer]:
    """Processes that live, in one order for all."""
    query = select(WORKERS.c.id, WORKERS.c.book).where(WORKERS.c.until > now())
    return [Peer(*row) for row in (await connection.execute(query.order_by(WORKERS.c.id))).all()]


async def held(connection: AsyncConnection, worker: str) -> dict[str, int]:
    """Epochs of a process's leases by name."""
    query = select(LEASES.c.name, LEASES.c.epoch).where(LEASES.c.owner == worker).order_by(LEASES.c.name)
    return _epochs((await connection.execute(query)).all())


async def count(connection: AsyncConnection, kind: str) -> int:
    """How many leases of a kind there are."""
    query = select(func.count()).select_from(LEASES).where(LEASES.c.kind == kind)
    return int((await connection.execute(query)).scalar_one())


async def claim(
    connection: AsyncConnection, worker: str, kind: str, most: int, among: Collection[str] | None = None
) -> dict[str, int]:
    """Take up to ``most`` leases that nobody alive holds, of all or ``among`` some; their new epochs."""
    alive = select(WORKERS.c.id).where(WORKERS.c.until > now())
    free = and_(LEASES.c.kind == kind, or_(LEASES.c.owner.is_(None), LEASES.c.owner.not_in(alive)))
    if among is not None:
        free = and_(free, LEASES.c.name.in_(among))
    some = select(LEASES.c.name).where(free).order_by(LEASES.c.name).limit(most)
    some = some.with_for_update(skip_locked=True)
    taken = update(LEASES).where(LEASES.c.name.in_(some)).values(owner=worker, epoch=LEASES.c.epoch + 1)
    rows = (await connection.execute(taken.returning(LEASES.c.name, LEASES.c.epoch))).all()
    return _epochs(rows)


async def release(connection: AsyncConnection, worker: str, names: Collection[str]) -> frozenset[str]:
    """Give leases back, but those that a write holds just now; the names given back."""
    mine = and_(LEASES.c.name.in_(names), LEASES.c.owner == worker)
    idle = select(LEASES.c.name).where(mine).with_for_update(skip_locked=True)
    given = update(LEASES).where(LEASES.c.name.in_(idle)).values(owner=None).returning(LEASES.c.name)
    return frozenset((await connection.execute(given)).scalars())


async def leave(connection: AsyncConnection, worker: str) -> None:
    """Be dead at once, with nothing held: what follows a process that stops in order."""
    await connection.execute(update(LEASES).where(LEASES.c.owner == worker).values(owner=None))
    await connection.execute(delete(WORKERS).where(WORKERS.c.id == worker))


async def hold(connection: AsyncConnection, worker: str, epochs: Mapping[str, int]) -> frozenset[str]:
    """Those of the leases that are the process's still, kept its own to the end of the transaction."""
    mine = and_(LEASES.c.name.in_(epochs), LEASES.c.owner == worker)
    query = select(LEASES.c.name, LEASES.c.epoch).where(mine).order_by(LEASES.c.name).with_for_update(read=True)
    rows = (await connection.execute(query)).all()
    return frozenset(name for name, epoch in rows if epochs[name] == epoch)
