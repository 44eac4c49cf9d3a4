"""Stored statements and scan roots."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, MetaData, String, Table, Text, insert, select
from sqlmodel import col

from aggregator.prices import PriceLine
from aggregator.statements.merkle import HASH_BYTES, Proof, leaf_of, proof_of
from aggregator.statements.model import Statement
from aggregator.store.columns import UtcDateTime
from aggregator.store.prices import unpacked
from aggregator.store.repository import Store
from aggregator.store.roots import ROOTS
from aggregator.store.rows import PriceRow

STATEMENTS = Table(
    "statements", MetaData(),
    Column("id", String, primary_key=True), Column("portfolio", String), Column("report_id", String),
    Column("created_at", UtcDateTime()), Column("body", Text),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Root:
    """Root over the reports of one scan."""

    seq: int
    root: str
    """64 hex digits."""
    at: datetime
    """Time of the scan: that of its reports."""
    size: int


@dataclass(frozen=True, slots=True)
class Proven:
    """That a report was part of a scan."""

    root: Root
    leaf: bytes
    proof: Proof


class StatementLog:
    """Statements of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, statement: Statement, now: datetime) -> None:
        """Keep a statement."""
        message = statement.typed_data.message
        row = {
            "id": message.id, "portfolio": message.portfolio, "report_id": message.report_id, "created_at": now,
            "body": statement.model_dump_json(),
        }  # fmt: skip
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(insert(STATEMENTS).values(row))

    async def get(self, statement_id: str) -> Statement | None:
        """A statement by its id."""
        query = select(STATEMENTS.c.body).where(STATEMENTS.c.id == statement_id)
        async with self._store.transaction(writing=False) as connection:
            body = (await connection.execute(query)).scalar()
        return None if body is None else Statement.model_validate_json(body)

    async def prices(self, at: datetime) -> tuple[PriceLine, ...]:
        """The prices of the round at a time, by key."""
        query = select(col(PriceRow.body)).where(col(PriceRow.at) == at).order_by(col(PriceRow.price_key))
        async with self._store.transaction(writing=False) as connection:
            bodies = (await connection.execute(query)).scalars().all()
        return tuple(PriceLine.model_validate_json(unpacked(body)) for body in bodies)


class RootLog:
    """Roots of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, *, before: int | None = None, limit: int = 50) -> tuple[Root, ...]:
        """Roots, newest first, below a sequence number."""
        query = select(ROOTS.c.seq, ROOTS.c.root, ROOTS.c.at, ROOTS.c.size).order_by(ROOTS.c.seq.desc())
        if before is not None:
            query = query.where(ROOTS.c.seq < before)
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(query.limit(limit))).all()
        return tuple(Root(*row) for row in rows)

    async def of(self, body: bytes, at: datetime) -> Proven | None:
        """The proof for a report of a time, given as its JSON; None where no root over it is kept."""
        leaf = leaf_of(body)
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(select(ROOTS).where(ROOTS.c.at == at))).all()
        for row in rows:
            leaves = [row.leaves[i : i + HASH_BYTES] for i in range(0, len(row.leaves), HASH_BYTES)]
            if leaf in leaves:
                return Proven(Root(row.seq, row.root, row.at, row.size), leaf, proof_of(leaves, leaf))
        return None
