"""Stored results of scans of very many portfolios: a row each, past the ORM."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa

from aggregator.store.bulk import insert_many
from aggregator.store.columns import DecimalText
from aggregator.store.repository import Store

RESULTS = sa.Table(
    "scan_results",
    sa.MetaData(),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("scan_id", sa.String(40), nullable=False),
    sa.Column("portfolio", sa.String(100), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("worst_usd", DecimalText(), nullable=False),
    sa.Column("buffer_usd", DecimalText(), nullable=False),
    sa.Column("excess_usd", DecimalText(), nullable=False),
)


class MassRow(NamedTuple):
    """One portfolio in one scan."""

    scan_id: str
    portfolio: str
    status: str
    worst_usd: Decimal
    buffer_usd: Decimal
    excess_usd: Decimal


class MassLog:
    """Results of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, rows: Sequence[MassRow]) -> None:
        """Append the rows of one shard."""
        async with self._store.transaction(writing=True) as connection:
            await insert_many(connection, RESULTS, MassRow._fields, rows)

    async def of(self, scan_id: str) -> list[MassRow]:
        """Rows of a scan in their order."""
        columns = [RESULTS.c[name] for name in MassRow._fields]
        query = sa.select(*columns).where(RESULTS.c.scan_id == scan_id).order_by(RESULTS.c.seq)
        async with self._store.transaction(writing=False) as connection:
            return [MassRow(*row) for row in (await connection.execute(query)).all()]
