"""Tables of the watches: as their migration makes them."""

from sqlalchemy import Column, MetaData, String, Table, Text

from aggregator.store.columns import UtcDateTime

_META = MetaData()

STATES = Table("watch_states", _META, Column("portfolio", String, primary_key=True), Column("body", Text))
"""What the watches of a portfolio remember; no row where all are at rest."""
EPISODES = Table(
    "alert_episodes", _META,
    Column("id", String, primary_key=True), Column("portfolio", String), Column("watch", String),
    Column("subject", Text), Column("kind", String), Column("severity", String), Column("state", String),
    Column("opened_at", UtcDateTime()), Column("acknowledged_at", UtcDateTime()),
    Column("acknowledged_by", String), Column("resolved_at", UtcDateTime()), Column("last_alert", String),
)  # fmt: skip
"""One matter from its opening to its end."""
CHANGES = Table(
    "watch_changes", _META,
    Column("portfolio", String, primary_key=True), Column("watch", String, primary_key=True),
    Column("body", Text), Column("muted_until", UtcDateTime()),
    Column("changed_by", String), Column("changed_at", UtcDateTime()),
)  # fmt: skip
"""What calls of the API have changed."""
