"""The engine of a database, and how each of its connections is set up."""

from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from aggregator.errors import StoreError

WRITING: Final = "crossmargin_writing"
"""Execution option of a connection whose next transaction writes."""
STILL_S = 30
"""PostgreSQL ends a session that stands still in the middle of a transaction for so long: its process is frozen.

A busy one is not still for so long while it holds locks.
"""
GONE_S: Final = 5
"""Silence after which PostgreSQL asks three times, a second apart, whether a session's host is there still."""


def make_engine(dsn: str) -> AsyncEngine:
    """Connects at the first use; raises StoreError without the DSN in it."""
    try:
        # A connection that a restart of the server has cut is replaced before it is used.
        engine = create_async_engine(dsn, pool_pre_ping=not dsn.startswith("sqlite"))
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        kind = type(error).__name__
        raise StoreError(f"database: not a usable DSN ({kind}); try sqlite+aiosqlite:///file.db") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _sqlite_connected)
        event.listen(engine.sync_engine, "begin", _sqlite_begin)
    elif engine.dialect.name == "postgresql":
        event.listen(engine.sync_engine, "connect", _postgres_connected)
    return engine


def _sqlite_connected(connection: Any, _: Any) -> None:
    """WAL for readers beside the writer; FULL so that a committed alert survives a power cut.

    The driver's own BEGIN comes only before the first write, so ours replaces it.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgres_connected(connection: Any, _: Any) -> None:
    """Let go of what a process holds that stands still, or whose host is gone: the append lock, leases, rows."""
    limits = {
        "idle_in_transaction_session_timeout": 1000 * STILL_S,  # ms
        "tcp_keepalives_idle": GONE_S,
        "tcp_keepalives_interval": 1,
        "tcp_keepalives_count": 3,
    }
    connection.run_async(lambda driver: driver.execute("".join(f"SET {k} = {v};" for k, v in limits.items())))


def _sqlite_begin(connection: Connection) -> None:
    """Take the write lock at once where the transaction will write after having read."""
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
