"""The Merkle root over the reports of every scan, written in the transaction that stores them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import Column, Insert, Integer, LargeBinary, MetaData, String, Table, insert

from aggregator.statements.merkle import leaf_of, ordered, root_of
from aggregator.store.columns import UtcDateTime
from aggregator.store.rows import ReportRow

ROOTS = Table(
    "report_roots", MetaData(),
    Column("seq", Integer, primary_key=True), Column("root", String), Column("at", UtcDateTime()),
    Column("size", Integer), Column("leaves", LargeBinary),
)  # fmt: skip


def root_inserts(rows: Iterable[ReportRow]) -> Iterator[Insert]:
    """What stores the roots over reports: one per time of them."""
    by_time: dict[datetime, list[bytes]] = defaultdict(list)
    for row in rows:
        by_time[row.created_at].append(leaf_of(row.body.encode()))
    for at, found in by_time.items():
        leaves = ordered(found)
        yield insert(ROOTS).values(root=root_of(leaves).hex(), at=at, size=len(leaves), leaves=b"".join(leaves))
