"""The history of reconciled prices: append-only, one row per price and round, its reasons compressed."""

import zlib
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from aggregator.prices import PriceLine
from aggregator.store.repository import Store
from aggregator.store.rows import PriceRow

CHUNK = 500
PAGE = 2000


def price_row(line: PriceLine) -> PriceRow:
    """A row of a line."""
    return PriceRow(**_values(line))


class PriceLog:
    """Reads and writes the history of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, lines: Sequence[PriceLine]) -> int:
        """Append lines that are not there yet (same key and time); gives how many were new."""
        added = 0
        async with self._store.transaction(writing=True) as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            for start in range(0, len(lines), CHUNK):
                rows = [_values(line) for line in lines[start : start + CHUNK]]
                statement = (
                    insert(PriceRow).values(rows).on_conflict_do_nothing(index_elements=["price_key", "at"])
                )
                added += len((await connection.execute(statement.returning(col(PriceRow.seq)))).all())
        return added

    async def at(self, price_key: str, when: datetime | None = None) -> PriceLine | None:
        """The newest line of a key, or the newest that was there by a time; None where there is none."""
        query = select(col(PriceRow.body)).where(col(PriceRow.price_key) == price_key)
        if when is not None:
            query = query.where(col(PriceRow.at) <= when)
        async with self._store.transaction(writing=False) as connection:
            body = (await connection.execute(query.order_by(col(PriceRow.at).desc()).limit(1))).scalar()
        return None if body is None else _line(body)

    async def keys(self) -> tuple[str, ...]:
        """Every price key with a history."""
        async with self._store.transaction(writing=False) as connection:
            found = await connection.execute(select(col(PriceRow.price_key)).distinct())
            return tuple(sorted(found.scalars()))

    async def lines(
        self, keys: Collection[str] = (), since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[PriceLine]:
        """Lines in the order in which they were stored, of some keys or all, in [since, until)."""
        last = 0
        while True:
            query = select(col(PriceRow.seq), col(PriceRow.body)).where(col(PriceRow.seq) > last)
            if keys:
                query = query.where(col(PriceRow.price_key).in_(keys))
            if since is not None:
                query = query.where(col(PriceRow.at) >= since)
            if until is not None:
                query = query.where(col(PriceRow.at) < until)
            async with self._store.transaction(writing=False) as connection:
                rows = (await connection.execute(query.order_by(col(PriceRow.seq)).limit(PAGE))).all()
            for seq, body in rows:
                last = seq or last
                yield _line(body)
            if len(rows) < PAGE:
                return


def _values(line: PriceLine) -> dict[str, Any]:
    return {
        "price_key": line.price_key,
        "at": line.time,
        "status": line.status.value,
        "low_usd": line.low_usd,
        "mid_usd": line.mid_usd,
        "high_usd": line.high_usd,
        "body": zlib.compress(line.model_dump_json().encode(), 6),
    }


def _line(body: bytes) -> PriceLine:
    return PriceLine.model_validate_json(zlib.decompress(body))


def price_rows(lines: Iterable[PriceLine]) -> list[PriceRow]:
    """Rows of lines."""
    return [price_row(line) for line in lines]
