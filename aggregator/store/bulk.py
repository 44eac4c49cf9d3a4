"""Many rows at once, past the ORM: COPY on PostgreSQL, the driver's executemany on SQLite.

Both run inside the caller's transaction and keep the order of the rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy import Dialect, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

BATCH: Final = 20_000
"""Rows handed to the driver at once: bounds the memory of a large write."""
IN_CACHE: Final = 300
"""Rows that are turned into columns at once: as many as the processor has at hand."""
FEW: Final = 50
"""Below this a COPY costs more than it saves."""

Row = tuple[Any, ...]


async def insert_many(
    connection: AsyncConnection, table: Table, columns: Sequence[str], rows: Iterable[Row]
) -> int:
    """Insert rows, values in the order of the columns; their number."""
    written, source = 0, iter(rows)
    while batch := list(islice(source, BATCH)):
        await _insert(connection, table, tuple(columns), batch)
        written += len(batch)
    return written


async def _insert(
    connection: AsyncConnection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    if len(rows) < FEW:
        await connection.execute(sa.insert(table), [dict(zip(columns, row, strict=True)) for row in rows])
        return
    await connection.execute(sa.select(1))  # the driver's transaction begins with the first statement
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if connection.dialect.name == "postgresql":
        await driver.copy_records_to_table(table.name, records=rows, columns=columns)
        return
    convert = _converters(connection.dialect, table, columns)
    await driver.executemany(_statement(table, columns), _converted(convert, rows))


async def insert_new(
    connection: AsyncConnection, table: Table, columns: Sequence[str], key: Sequence[str], rows: Sequence[Row]
) -> None:
    """Insert rows whose key is not there yet; the others stay as they are."""
    if not rows:
        return
    names, dialect = tuple(columns), connection.dialect
    if dialect.name != "postgresql":
        statement = sqlite.insert(table).on_conflict_do_nothing(index_elements=list(key))
        await connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])
        return
    types = [table.c[name].type.compile(dialect) for name in names]
    arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(types, start=1))
    text = f"INSERT INTO {table.name} ({_listed(names)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
    await connection.execute(sa.select(1))
    driver: Any = (await connection.get_raw_connection()).driver_connection
    for start in range(0, len(rows), BATCH):
        await driver.execute(text, *map(list, zip(*rows[start : start + BATCH], strict=True)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@cache
def _statement(table: Table, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({_listed(columns)}) VALUES ({marks})"


_Converter = Callable[[Any], Any] | None


def _converters(dialect: Dialect, table: Table, columns: Sequence[str]) -> list[_Converter]:
    """What each column does to a value on its way in; None for nothing."""
    kinds = (table.c[name].type for name in columns)
    return [cast("_Converter", kind.dialect_impl(dialect).bind_processor(dialect)) for kind in kinds]


def _converted(convert: Sequence[_Converter], rows: Sequence[Row]) -> Iterator[Row]:
    """Rows with their values converted, each when the driver asks for it: in its own thread, and none is kept."""
    for start in range(0, len(rows), IN_CACHE):
        columns = zip(convert, zip(*rows[start : start + IN_CACHE], strict=True), strict=True)
        yield from zip(*(values if one is None else map(one, values) for one, values in columns), strict=True)
