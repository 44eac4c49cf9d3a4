"""What reports were made from: content-addressed parts, and which report was made from which."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.replay.freeze import Frozen, Part
from aggregator.store.bulk import insert_many
from aggregator.store.columns import UtcDateTime

METADATA = sa.MetaData()

INPUTS = sa.Table(
    "inputs",
    METADATA,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("setting", sa.String(64)),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""Frozen parts; ``setting`` is the digest of the part that a world names, empty for settings themselves."""

REPORT_INPUTS = sa.Table(
    "report_inputs",
    METADATA,
    sa.Column("report_id", sa.String(40), primary_key=True),
    sa.Column("world", sa.String(64), nullable=False, index=True),
)
"""The world of each report that can be made again."""


async def keep(connection: AsyncConnection, frozen: Frozen, report_ids: Sequence[str], at: datetime) -> None:
    """Store the inputs of reports, inside the transaction that stores those."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [_row(frozen.setting, None, at), _row(frozen.world, frozen.setting.digest, at)]
    await connection.execute(insert(INPUTS).on_conflict_do_nothing(index_elements=["digest"]), rows)
    links = ((report_id, frozen.world.digest) for report_id in report_ids)
    await insert_many(connection, REPORT_INPUTS, ("report_id", "world"), links)


def _row(part: Part, setting: str | None, at: datetime) -> dict[str, Any]:
    return {"digest": part.digest, "setting": setting, "at": at, "body": part.body}
