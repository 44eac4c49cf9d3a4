"""The index in the database: checkpoint and accounts change together, one transaction per step."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.store.index_tables import ACCOUNTS, BLOCKS, MENTIONS
from aggregator.store.repository import Store
from chains.caip import AccountId, ChainId, account_chain
from chains.indexer.types import (
    Advance,
    Change,
    CheckpointMoved,
    CheckpointUnusable,
    Reading,
    Readings,
    Rollback,
    StoredAccount,
    Touches,
)
from chains.types import BlockRef, Finality

KEPT_MENTIONS: Final = 20_000
"""Blocks for which mentions are kept: no chain has reorganised deeper."""
ROWS: Final = 500
"""Rows per statement: SQLite bounds the variables of one."""
_MARKED: Final = {"dirty": sa.true(), "marks": ACCOUNTS.c.marks + 1}


class SqlIndexStore:
    """``chains.indexer.types.IndexStore`` over the service's database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self, chain: ChainId) -> tuple[BlockRef, ...]:
        """Canonical blocks that were indexed, ascending; the last one is the checkpoint."""
        query = sa.select(BLOCKS).where(BLOCKS.c.chain == chain).order_by(BLOCKS.c.number)
        async with self._connection(writing=False) as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            BlockRef(chain, row.number, row.hash, row.parent_hash, row.timestamp, Finality.LATEST) for row in rows
        )

    async def apply(self, chain: ChainId, change: Change) -> None:
        """Make the change; raises CheckpointMoved or CheckpointUnusable with nothing changed."""
        async with self._connection(writing=True) as connection:
            match change:
                case Advance():
                    await _require(connection, chain, change.after)
                    await _advance(connection, chain, change)
                case Rollback():
                    await _require(connection, chain, change.after)
                    await _roll_back(connection, chain, change.to)
                case Readings():
                    for reading in change.items:
                        await connection.execute(_read(reading))

    async def pick(self, chain: ChainId, *, dirty: bool, limit: int) -> Sequence[StoredAccount]:
        """Dirty accounts, those that failed least first; or clean ones by chance."""
        c = ACCOUNTS.c
        order = (c.failures, c.touched_block, c.account) if dirty else (sa.func.random(),)
        wanted = sa.and_(c.chain == chain, c.dirty == sa.literal(dirty))
        query = sa.select(ACCOUNTS).where(wanted).order_by(*order).limit(limit)
        async with self._connection(writing=False) as connection:
            rows = (await connection.execute(query)).all()
        return [
            StoredAccount(AccountId(r.account), r.dirty, r.marks, r.touched_block, r.failures, r.state)
            for r in rows
        ]

    async def counts(self) -> dict[ChainId, dict[str, int]]:
        """By chain: accounts, those that are dirty, and those whose last read failed."""
        c = ACCOUNTS.c
        query = sa.select(
            c.chain,
            sa.func.count().label("accounts"),
            sa.func.sum(sa.cast(c.dirty, sa.Integer)).label("dirty"),
            sa.func.sum(sa.case((c.failures > 0, 1), else_=0)).label("failed"),
        ).group_by(c.chain)
        async with self._connection(writing=False) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return {ChainId(row["chain"]): {k: int(row[k]) for k in ("accounts", "dirty", "failed")} for row in rows}

    @asynccontextmanager
    async def _connection(self, *, writing: bool) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._store.transaction(writing=writing) as connection:
                yield connection
        except IntegrityError:
            raise CheckpointMoved("database: another indexer has written the same blocks") from None
        except (SQLAlchemyError, OSError) as error:
            raise CheckpointUnusable(f"database: {type(error).__name__} while the index used it") from None


async def _require(connection: AsyncConnection, chain: ChainId, after: BlockRef | None) -> None:
    """Refuse a change that was made for another checkpoint."""
    query = sa.select(BLOCKS.c.number, BLOCKS.c.hash).where(BLOCKS.c.chain == chain)
    tip = (await connection.execute(query.order_by(BLOCKS.c.number.desc()).limit(1))).first()
    stored = None if tip is None else (tip.number, tip.hash)
    if stored != (None if after is None else (after.number, after.hash)):
        here = "nothing" if stored is None else f"block {stored[0]}"
        raise CheckpointMoved(f"{chain}: another indexer has moved the checkpoint to {here}")


async def _advance(connection: AsyncConnection, chain: ChainId, change: Advance) -> None:
    await _mark(connection, change.touches)
    for numbers in _parts(change.drop):
        await connection.execute(
            sa.delete(BLOCKS).where(BLOCKS.c.chain == chain, BLOCKS.c.number.in_(list(numbers)))
        )
    rows = [
        {
            "chain": chain,
            "number": b.number,
            "hash": b.hash,
            "parent_hash": b.parent_hash,
            "timestamp": b.timestamp,
        }
        for b in change.anchors
    ]
    await connection.execute(sa.insert(BLOCKS), rows)
    mentions = [{"chain": chain, "number": n, "account": a} for a, n in change.touches.mentioned.items()]
    if mentions:
        await connection.execute(sa.insert(MENTIONS), mentions)
    old = change.anchors[-1].number - KEPT_MENTIONS
    await connection.execute(sa.delete(MENTIONS).where(MENTIONS.c.chain == chain, MENTIONS.c.number < old))
    for venue, number in change.touches.holders.items():
        holds = sa.and_(ACCOUNTS.c.chain == chain, ACCOUNTS.c.state.contains(f'"{venue}":', autoescape=True))
        await connection.execute(sa.update(ACCOUNTS).where(holds).values(touched_block=number, **_MARKED))


async def _mark(connection: AsyncConnection, touches: Touches) -> None:
    """Accounts that the blocks name are there and dirty; those they concern are dirty if they are there."""
    rows = [
        {
            "account": account, "chain": account_chain(account), "first_block": first, "touched_block": last,
            "dirty": True, "marks": 1, "failures": 0, "failure": "",
        }
        for account, (first, last) in touches.found.items()
    ]  # fmt: skip
    if rows:
        await connection.execute(_upsert(connection), rows)
    for accounts in _parts(tuple(touches.mentioned)):
        await connection.execute(
            sa.update(ACCOUNTS).where(ACCOUNTS.c.account.in_(list(accounts))).values(**_MARKED)
        )


def _upsert(connection: AsyncConnection) -> Any:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(ACCOUNTS)
    return statement.on_conflict_do_update(
        index_elements=["account"],
        set_={"touched_block": statement.excluded.touched_block, **_MARKED},
    )


async def _roll_back(connection: AsyncConnection, chain: ChainId, to: int) -> None:
    """Forget blocks above ``to`` and accounts that only they named; what they touched is read again."""
    a = ACCOUNTS.c
    await connection.execute(sa.delete(BLOCKS).where(BLOCKS.c.chain == chain, BLOCKS.c.number > to))
    await connection.execute(sa.delete(ACCOUNTS).where(a.chain == chain, a.first_block > to))
    stale = sa.and_(a.chain == chain, sa.or_(a.touched_block > to, a.read_block > to))
    lower = sa.case((a.touched_block > to, to), else_=a.touched_block)
    await connection.execute(sa.update(ACCOUNTS).where(stale).values(touched_block=lower, **_MARKED))
    orphaned = sa.and_(MENTIONS.c.chain == chain, MENTIONS.c.number > to)
    concerned = sa.select(MENTIONS.c.account).where(orphaned)
    await connection.execute(sa.update(ACCOUNTS).where(a.account.in_(concerned)).values(**_MARKED))
    await connection.execute(sa.delete(MENTIONS).where(orphaned))


def _read(reading: Reading) -> Any:
    """Store what was read; the mark goes only if it is the one that was read for."""
    a = ACCOUNTS.c
    changes: Mapping[str, Any] = (
        {"failures": a.failures + 1, "failure": reading.failure}
        if reading.failure
        else {
            "state": reading.state, "read_block": reading.at.number, "read_hash": reading.at.hash,
            "failures": 0, "failure": "", "dirty": a.marks != reading.marks,
        }
    )  # fmt: skip
    return sa.update(ACCOUNTS).where(a.account == reading.account).values(**changes)


def _parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[i : i + ROWS] for i in range(0, len(items), ROWS))
