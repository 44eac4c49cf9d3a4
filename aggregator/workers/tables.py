"""Tables of the workers, as their migration makes them. All of it is of the moment: no backup has it."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

from aggregator.store.columns import UtcDateTime

_META = MetaData()

WORKERS = Table(
    "workers", _META,
    Column("id", String(60), primary_key=True), Column("until", UtcDateTime()), Column("sharers", Integer),
    Column("book", String(64)),
)  # fmt: skip
"""Processes that are alive until a time of the database's clock.

``sharers``: among how many the process divides the endpoints' rates; ``book``: digest of its portfolios.
"""
LEASES = Table(
    "leases", _META,
    Column("name", String(60), primary_key=True), Column("kind", String(10)), Column("owner", String(60)),
    Column("epoch", BigInteger),
)  # fmt: skip
"""What one process at a time may do; held as long as its owner lives. ``epoch`` counts the owners."""
TOUCHED = Table(
    "touched", _META,
    Column("seq", BigInteger, primary_key=True), Column("at", UtcDateTime()), Column("chain", String(40)),
    Column("number", BigInteger), Column("accounts", Text),
)  # fmt: skip
"""Accounts that events of a chain have changed up to a block: from who follows it to who looks at them."""
