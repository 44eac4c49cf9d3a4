"""Observed bridge transfers: when each was sent, and when it arrived if it has. They mirror the chains.

A row is changed when its transfer arrives, and taken back when a reorg undoes what it says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from aggregator.bridge_laws import KEPT, Observation
from aggregator.store.bulk import insert_new
from aggregator.store.columns import UtcDateTime
from aggregator.store.repository import Store
from chains.caip import ChainId
from chains.venues.across.watch import Paid, Sent

MOST: Final = 2_000
"""Newest transfers of a route that are kept: twice what the tail needs to be trusted."""

TRANSFERS = sa.Table(
    "bridge_transfers",
    sa.MetaData(),
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("bridge", sa.String(40), nullable=False),
    sa.Column("source", sa.String(40), nullable=False),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("depositor", sa.String(66), nullable=False),
    sa.Column("deposit_id", sa.String(80), nullable=False),
    sa.Column("relay_hash", sa.String(64), nullable=False),
    sa.Column("sent_block", sa.BigInteger, nullable=False),
    sa.Column("sent_at", UtcDateTime(), nullable=False),
    sa.Column("deadline", UtcDateTime(), nullable=False),
    sa.Column("fill_block", sa.BigInteger),
    sa.Column("arrived_at", UtcDateTime()),
)
"""One row per transfer; the key is a hash of what a deposit and its fill have in common, so that seeing one twice
changes nothing. ``deposit_id`` is text: Across counts in 256 bits."""
T = TRANSFERS.c


@dataclass(frozen=True, slots=True)
class Awaited:
    """A transfer whose fill is looked for."""

    key: str
    source: ChainId
    destination: ChainId
    deposit_id: int
    relay_hash: str
    arrived: bool
    """In a block that is looked at again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blocks of one chain of which everything that is in them was seen just now."""

    chain: ChainId
    first: int
    last: int


class TransferLog:
    """Transfers of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add_sent(self, sent: Sequence[Sent], seen: Stretch, owners: Collection[str] | None) -> None:
        """Deposits of a stretch; rows of it that are not among them any more were orphaned and go.

        ``owners``: whose deposits were asked for; None: everyone's.
        """
        rows = [_row(one) for one in sent]
        inside = sa.and_(T.source == seen.chain, T.sent_block.between(seen.first, seen.last), T.relay_hash != "")
        if owners is not None:
            inside = sa.and_(inside, T.depositor.in_(sorted(owners)))
        query = sa.select(T.key, T.sent_block).where(inside)
        if not rows and not await self._any(query):
            return
        async with self._store.transaction(writing=True) as connection:
            there = {row.key: row.sent_block for row in await connection.execute(query)}
            gone = set(there) - {one.key for one in sent}
            for key in sorted(gone):
                await connection.execute(sa.delete(TRANSFERS).where(T.key == key))
            await insert_new(connection, TRANSFERS, tuple(_COLUMNS), ("key",), rows)
            for one in sent:
                if there.get(one.key, one.sent_block) != one.sent_block:
                    moved = {"sent_block": one.sent_block, "sent_at": _time(one.sent_at)}
                    await connection.execute(sa.update(TRANSFERS).where(T.key == one.key).values(moved))

    async def add_paid(self, paid: Sequence[Paid], seen: Stretch) -> None:
        """Fills of a stretch; arrivals in it that are not among them any more are taken back."""
        now = {one.key: one for one in paid}
        inside = sa.and_(T.destination == seen.chain, T.fill_block.between(seen.first, seen.last))
        query = sa.select(T.key).where(inside)
        if not now and not await self._any(query):
            return
        async with self._store.transaction(writing=True) as connection:
            there = set((await connection.execute(query)).scalars())
            changes: list[dict[str, object]] = [
                {"of": key, "block": None, "at": None} for key in sorted(there - set(now))
            ]
            changes += [{"of": k, "block": p.fill_block, "at": _time(p.arrived_at)} for k, p in now.items()]
            if changes:
                await connection.execute(_ARRIVAL, changes)

    async def _any(self, query: sa.Select[Any]) -> bool:
        """Whether a query finds anything; most looks see nothing new and need not wait for other writers."""
        async with self._store.transaction(writing=False) as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    async def state(self) -> tuple[Any, ...]:
        """Changes when a transfer comes, arrives or goes."""
        query = sa.select(
            sa.func.count(), sa.func.count(T.arrived_at), sa.func.max(T.sent_at), sa.func.max(T.arrived_at)
        )
        async with self._store.transaction(writing=False) as connection:
            return tuple((await connection.execute(query.select_from(TRANSFERS))).one())

    async def add_done(self, key: str, one: Observation) -> None:
        """A transfer that somebody else has seen arrive; an arrival that is known stays."""
        arrived = None if one.latency_s is None else one.observed_at + timedelta(seconds=one.latency_s)
        row = (key, one.bridge, one.source, one.destination, "", "", "", 0, one.observed_at, _NEVER, None, arrived)
        async with self._store.transaction(writing=True) as connection:
            await insert_new(connection, TRANSFERS, _ALL, ("key",), [row])
            await connection.execute(
                sa.update(TRANSFERS).where(T.key == key, T.arrived_at.is_(None)).values(arrived_at=arrived)
            )

    async def known(self, keys: Collection[str]) -> frozenset[str]:
        """Which of these have arrived."""
        query = sa.select(T.key).where(T.key.in_(sorted(keys)), T.arrived_at.is_not(None))
        async with self._store.transaction(writing=False) as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def awaited(self, destination: ChainId, first: int) -> tuple[Awaited, ...]:
        """Transfers of pools to a chain that are not filled, or were from block ``first`` on; oldest first."""
        new = sa.or_(T.arrived_at.is_(None), T.fill_block >= first)
        pools = sa.and_(T.destination == destination, T.relay_hash != "")
        query = sa.select(TRANSFERS).where(pools, new).order_by(T.sent_at, T.key)
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            Awaited(
                r.key,
                ChainId(r.source),
                ChainId(r.destination),
                int(r.deposit_id),
                r.relay_hash,
                r.arrived_at is not None,
            )
            for r in rows
        )

    async def drop(self, keys: Collection[str]) -> None:
        """Forget transfers of which nobody will ever know what they took."""
        if not keys:
            return
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(sa.delete(TRANSFERS).where(T.key.in_(sorted(keys))))

    async def observations(self, now: datetime) -> tuple[Observation, ...]:
        """What the newest transfers of the last 90 days took, for the laws."""
        query = sa.select(TRANSFERS).where(T.sent_at >= now - KEPT).order_by(T.sent_at, T.key)
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(query)).all()
        return tuple(_observation(row._mapping, now) for row in rows)

    async def thin(self, now: datetime) -> None:
        """Remove what is too old to count, and all but the newest of each route."""
        rank = sa.func.row_number().over(
            partition_by=[T.bridge, T.source, T.destination], order_by=[T.sent_at.desc(), T.key]
        )
        ranked = sa.select(T.key, rank.label("rank")).subquery()
        surplus = sa.select(ranked.c.key).where(ranked.c.rank > MOST)
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(
                sa.delete(TRANSFERS).where(sa.or_(T.sent_at < now - KEPT, T.key.in_(surplus)))
            )


_ARRIVAL: Final = (
    sa.update(TRANSFERS)
    .where(T.key == sa.bindparam("of"))
    .values(fill_block=sa.bindparam("block"), arrived_at=sa.bindparam("at"))
)
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_COLUMNS: Final = tuple(c.name for c in TRANSFERS.columns if c.name not in {"fill_block", "arrived_at"})
_ALL: Final = (*_COLUMNS, "fill_block", "arrived_at")


def _row(one: Sent) -> tuple[Any, ...]:
    # A deadline is any number of 32 bits that the depositor gives.
    return (
        one.key, one.bridge, one.source, one.destination, one.depositor, str(one.deposit_id), one.relay_hash,
        one.sent_block, _time(one.sent_at), _time(one.deadline),
    )  # fmt: skip


def _observation(row: Mapping[Any, Any], now: datetime) -> Observation:
    """A transfer as the laws take it. The clocks of two chains may differ by a second: at least one passes."""
    arrived = row["arrived_at"]
    latency = None if arrived is None else max(1.0, (arrived - row["sent_at"]).total_seconds())
    lost = arrived is None and row["deadline"] < now
    return Observation(row["sent_at"], row["bridge"], row["source"], row["destination"], latency, lost)


def _time(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
