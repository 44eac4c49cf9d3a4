"""A copy of the whole store in one file, and a store made from it, on either database.

The file is gzipped JSON lines: a header with the schema's revision, then for every table its columns and its rows.
It is read in one transaction, so it is one moment's picture although the service goes on writing. What is restored
is equal in every row and number; from SQLite to PostgreSQL and back too.
"""

import gzip
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from aggregator.errors import StoreError
from aggregator.store.migrate import current
from aggregator.store.repository import Store

FORMAT: Final = 1
BATCH: Final = 5_000
BinaryFile = gzip.GzipFile
NOT_KEPT: Final = frozenset({"alembic_version", "workers", "leases", "touched", "rate_loans"})
"""The schema's revision, which the header has, and what is true of running processes only."""


async def backup(store: Store, path: Path) -> dict[str, int]:
    """Write the store to a new file; rows by table. Raises StoreError where the file is there already."""
    try:
        with _new(path) as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=6) as file:
            async with store.transaction(writing=False) as connection:
                if connection.dialect.name == "postgresql":  # SQLite reads one moment anyway
                    await connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
                return await connection.run_sync(_write, file)
    except FileExistsError:
        raise StoreError(f"{path} exists already: it is left as it is; name another file") from None


async def restore(store: Store, path: Path) -> dict[str, int]:
    """Fill an empty store at the same revision; rows by table. All or nothing; raises StoreError."""
    try:
        with gzip.open(path, "rb") as file:
            async with store.transaction(writing=True) as connection:
                return await connection.run_sync(_read, file)
    except (OSError, EOFError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: not a backup, or a damaged one ({type(error).__name__}): nothing restored"
        ) from None


def _new(path: Path) -> BinaryIO:
    """A file that only its owner reads: it holds portfolios and hashes of keys."""
    file = path.open("xb")
    path.chmod(0o600)
    return file


def _tables(connection: Connection) -> list[sa.Table]:
    """Every table that is kept, referred ones first."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name not in NOT_KEPT]


def _write(connection: Connection, file: BinaryFile) -> dict[str, int]:
    _line(file, {"crossmargin": FORMAT, "revision": current(connection)})
    counts = {}
    for table in _tables(connection):
        _line(file, {"table": str(table.name), "columns": [str(column.name) for column in table.columns]})
        order = list(table.primary_key.columns) or list(table.columns)
        rows = connection.execution_options(yield_per=BATCH).execute(sa.select(table).order_by(*order))
        counts[table.name] = 0
        for row in rows:
            _line(file, [_plain(value) for value in row])
            counts[table.name] += 1
    _line(file, {"end": counts})
    return counts


def _line(file: BinaryFile, content: object) -> None:
    file.write(msgspec.json.encode(content) + b"\n")


def _plain(value: object) -> object:
    """JSON of a value of any column; exact."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value


def _read(connection: Connection, file: BinaryFile) -> dict[str, int]:
    lines = (msgspec.json.decode(line) for line in file)
    head: dict[str, Any] = next(lines, {})
    have = current(connection)
    if head["crossmargin"] != FORMAT or head["revision"] != have:
        raise StoreError(
            f"the backup is at revision {head['revision']}, this database at {have}: bring them together"
        )
    tables = {table.name: table for table in _tables(connection)}
    if filled := [name for name, table in tables.items() if _has_rows(connection, table)]:
        raise StoreError(f"the database is not empty ({filled[0]} has rows): restore into a new one")
    return _fill(connection, tables, lines)


def _fill(connection: Connection, tables: dict[str, sa.Table], lines: Iterator[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    found: dict[str, Any] = next(lines, {"end": None})
    while "end" not in found:
        table = tables[found["table"]]
        columns = [table.c[name] for name in found["columns"]]
        convert = [_converter(column, connection.dialect.name) for column in columns]
        rows: list[list[Any]] = []
        counts[table.name] = 0
        for line in lines:
            if isinstance(line, dict):
                found = line
                break
            rows.append(line)
            if len(rows) == BATCH:
                counts[table.name] += _put(connection, table, columns, convert, rows)
                rows = []
        counts[table.name] += _put(connection, table, columns, convert, rows)
        _set_sequence(connection, table)
    if found["end"] != counts:
        raise StoreError(f"the backup says {found['end']} rows, {counts} were read: nothing restored")
    return counts


def _put(
    connection: Connection,
    table: sa.Table,
    columns: list[Any],
    convert: list[Callable[[Any], Any]],
    rows: Iterable[list[Any]],
) -> int:
    names = [column.name for column in columns]
    values = [
        {n: None if v is None else c(v) for n, c, v in zip(names, convert, row, strict=True)} for row in rows
    ]
    for start in range(0, len(values), BATCH):
        connection.execute(sa.insert(table), list(islice(values, start, start + BATCH)))
    return len(values)


def _converter(column: Any, dialect: str) -> Callable[[Any], Any]:
    kind = column.type
    if isinstance(kind, sa.DateTime):
        sqlite = dialect == "sqlite"
        return lambda text: datetime.fromisoformat(text).replace(tzinfo=None if sqlite else UTC)
    if isinstance(kind, sa.LargeBinary):
        return b64decode
    if isinstance(kind, sa.Numeric):
        return Decimal
    if isinstance(kind, sa.Boolean):
        return bool
    return lambda value: value


def _has_rows(connection: Connection, table: sa.Table) -> bool:
    return connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None


def _set_sequence(connection: Connection, table: sa.Table) -> None:
    """PostgreSQL counts on from the highest number that was restored; SQLite does so by itself."""
    if connection.dialect.name != "postgresql" or "seq" not in table.c:
        return
    connection.execute(
        sa.text(
            "SELECT setval(pg_get_serial_sequence(:name, 'seq'), m) FROM "
            f'(SELECT max(seq) AS m FROM "{table.name}") AS t WHERE m IS NOT NULL'
        ),
        {"name": table.name},
    )
