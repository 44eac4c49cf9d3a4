"""The database: reachable, at the newest schema, writable, and of one mind with the host about the time."""

import asyncio
import os
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from aggregator.clock import host_s
from aggregator.config import Settings
from aggregator.doctor.finding import Finding, failing, warning
from aggregator.store.migrate import current, newest

REACH = "database: reachable"
SCHEMA = "database: schema"
DSN_FIX = "correct `database`: sqlite+aiosqlite:///file.db or postgresql+asyncpg://user:password@host/name"
LEAST_FREE_MB = 200
CLOCK_S = 5.0


async def database(settings: Settings) -> list[Finding]:
    """Lines; never with the DSN in them. Neither schema nor file is made."""
    try:
        engine = create_async_engine(settings.database.get_secret_value())
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        return [failing(REACH, f"not a usable DSN ({type(error).__name__})", DSN_FIX)]
    try:
        if engine.dialect.name == "sqlite":
            return await _sqlite(engine)
        async with asyncio.timeout(10), engine.connect() as connection:
            return [Finding(REACH), await _schema(connection), await _clock(connection)]
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return [failing(REACH, type(error).__name__, f"start the server, or {DSN_FIX}")]
    finally:
        await engine.dispose()


async def _sqlite(engine: AsyncEngine) -> list[Finding]:
    name = engine.url.database
    if not name or name == ":memory:":
        return [warning(REACH, "in memory: everything is lost at the end", DSN_FIX)]
    lines = _file(Path(name))
    if lines[0].detail or not lines[0].ok:
        return lines
    async with engine.connect() as connection:
        return [lines[0], await _schema(connection), *lines[1:]]


def _file(path: Path) -> list[Finding]:
    """Place of an SQLite file; a first line with a detail: there is no file yet."""
    folder = path.parent
    if not folder.is_dir():
        return [failing(REACH, f"{folder} is not a folder", f"make {folder}, or correct `database`")]
    if not os.access(path if path.exists() else folder, os.W_OK):
        return [failing(REACH, f"{path} cannot be written by this user", f"give this user {folder}")]
    reach = Finding(REACH, detail="" if path.exists() else "will be made at the first start")
    return [reach, _room(folder)]


def _room(folder: Path) -> Finding:
    free = os.statvfs(folder)
    megabytes = free.f_bavail * free.f_frsize // 1_000_000
    what = "database: room on its disk"
    if megabytes < LEAST_FREE_MB:
        return failing(what, f"{megabytes} MB free", "make room, or shorten `retention` and compact the store")
    return Finding(what, detail=f"{megabytes:,} MB free")


async def _schema(connection: AsyncConnection) -> Finding:
    have, want = await connection.run_sync(current), newest()
    if have is None:
        return Finding(SCHEMA, detail="empty: will be made at the first start")
    if have == want:
        return Finding(SCHEMA, detail=f"at {have}")
    if have > want:
        return failing(
            SCHEMA, f"at {have}, this version knows {want}", "start the version that wrote it, or newer"
        )
    return warning(SCHEMA, f"at {have}, newest {want}", "back it up, then start `serve`: it brings it up to date")


async def _clock(connection: AsyncConnection) -> Finding:
    asked = host_s()
    theirs = (await connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())"))).scalar()
    lead = float(theirs or 0) - (asked + host_s()) / 2
    what = "database: its clock agrees with the host's"
    if abs(lead) > CLOCK_S:
        return warning(what, f"{lead:+.1f} s against the host's", "let both hosts follow NTP")
    return Finding(what)
