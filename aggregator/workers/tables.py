"""Tables of the workers, as their migration makes them. All of it is of the moment: no backup has it."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

from aggregator.store.columns import UtcDateTime

_META = MetaData()

WORKERS = Table(
    "workers", _META,
    Column("id", String(60), primary_key=True), Column("until", UtcDateTime()), Column("book", String(64)),
)  # fmt: skip
"""Processes that are alive until a time of the database's clock.

``book``: digest of its portfolios.
"""
LEASES = Table(
    "leases", _META,
    Column("name", String(60), primary_key=True), Column("kind", String(10)), Column("owner", String(60)),
    Column("epoch", BigInteger),
)  # fmt: skip
"""What one process at a time may do; held as long as its owner lives. ``epoch`` counts the owners."""
LOANS = Table(
    "rate_loans", _META,
    Column("endpoint", String(32), primary_key=True), Column("worker", String(60), primary_key=True),
    Column("wants", Integer), Column("part", Integer), Column("held", Integer), Column("until", UtcDateTime()),
)  # fmt: skip
"""What each worker may spend at an endpoint, which goes by a digest: see ``aggregator.workers.rates``."""
TOUCHED = Table(
    "touched", _META,
    Column("seq", BigInteger, primary_key=True), Column("at", UtcDateTime()), Column("chain", String(40)),
    Column("number", BigInteger), Column("accounts", Text),
)  # fmt: skip
"""Accounts that events of a chain have changed up to a block: from who follows it to who looks at them."""
