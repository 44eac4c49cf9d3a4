"""The history of reconciled prices: append-only, one row per price and round, its reasons compressed."""

import zlib
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from aggregator.errors import StoreError
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


_USUAL = (
    b'{"price_key":"USDC","time":"2026-01-02T03:04:05Z","status":"DEGRADED","reason":"2 of 3 groups agree; '
    b"uniswap@eip155:42161 is -1667 bps off the median 3000.00000000, band 100 bps; no vote; of 3 groups have a "
    b'vote (chainlink, pyth, uniswap)","low_usd":null,"mid_usd":"3000.12","high_usd":"3001.5",'
    b'"borrow_ceiling_usd":null,"observed_at":1700000000,"age_s":12,"parameters":"params_v1","notes":[],"contributors":[{"group":"chainlink",'
    b'"source":"chainlink@eip155:1","price_usd":"2999.8","half_width_usd":"15","observed_at":1700000000,'
    b'"share":"0.3333"},{"group":"pyth","source":"pyth@eip155:8453","price_usd":"1.00000000","half_width_usd":"0.005",'
    b'"observed_at":1700000000,"share":"0.3333"},{"group":"uniswap","source":"uniswap@eip155:10"}],"dissenters":[{'
    b'"source":"chainlink@eip155:42161","group":"chainlink","reason":"outside_band","detail":"stale, 7200 s old, '
    b'limit 3720 s","price_usd":null}],"facts":[{"source":"venue:aave-v3@eip155:1","price_usd":"3000",'
    b'"observed_at":1700000000,"off_bps":"0.0"},{"source":"venue:synthetix@eip155:10"}]}'
)
"""What lines look like: compressing against it makes each a third of its size. Part of the format ``_FORMAT``."""
_FORMAT = b"\1"


def packed(text: str) -> bytes:
    """A line's JSON as it is stored."""
    press = zlib.compressobj(9, zdict=_USUAL)
    return _FORMAT + press.compress(text.encode()) + press.flush()


def unpacked(body: bytes) -> bytes:
    """The JSON of a stored line; raises StoreError for a format that this version does not know."""
    if body[:1] != _FORMAT:
        raise StoreError(f"database: a price is stored in format {body[:1]!r}, written by a newer version")
    return zlib.decompressobj(zdict=_USUAL).decompress(body[1:])


def _values(line: PriceLine) -> dict[str, Any]:
    return {
        "price_key": line.price_key,
        "at": line.time,
        "status": line.status.value,
        "low_usd": line.low_usd,
        "mid_usd": line.mid_usd,
        "high_usd": line.high_usd,
        "body": packed(line.model_dump_json()),
    }


def _line(body: bytes) -> PriceLine:
    return PriceLine.model_validate_json(unpacked(body))


def price_rows(lines: Iterable[PriceLine]) -> list[PriceRow]:
    """Rows of lines."""
    return [price_row(line) for line in lines]
