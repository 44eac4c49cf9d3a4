"""Tables of the delivery: as migrations 0001, 0008 and 0010 make them."""

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

from aggregator.store.columns import UtcDateTime

_META = MetaData()

OUTBOX = Table(
    "deliveries", _META,
    Column("seq", Integer, primary_key=True), Column("alert_id", String), Column("notice_id", String),
    Column("receiver", String), Column("attempts", Integer), Column("next_attempt_at", UtcDateTime()),
    Column("delivered_at", UtcDateTime()), Column("last_error", String),
    Column("claimed_by", String), Column("claimed_until", UtcDateTime()),
)  # fmt: skip
ALERTS = Table(
    "alerts", _META,
    Column("seq", Integer, primary_key=True), Column("id", String), Column("portfolio", String),
    Column("created_at", UtcDateTime()), Column("body", Text), Column("episode", String),
)  # fmt: skip
MATTERS = Table(
    "alert_episodes", _META,
    Column("id", String, primary_key=True), Column("severity", String), Column("state", String),
)  # fmt: skip
"""What alerts are about, from its opening to its end; severity: the worst that it was."""
NOTICES = Table(
    "notices", _META,
    Column("id", String, primary_key=True), Column("type", String), Column("created_at", UtcDateTime()),
    Column("body", Text),
)  # fmt: skip
RECEIVERS = Table(
    "receivers", _META,
    Column("name", String, primary_key=True), Column("failing_since", UtcDateTime()),
    Column("failures", Integer), Column("last_attempt_at", UtcDateTime()),
    Column("last_delivered_at", UtcDateTime()), Column("last_error", String),
    Column("disabled_at", UtcDateTime()), Column("disabled_reason", String),
)  # fmt: skip
LOG = Table(
    "delivery_log", _META,
    Column("seq", Integer, primary_key=True), Column("at", UtcDateTime()), Column("receiver", String),
    Column("message_id", String), Column("attempt", Integer), Column("delivered", Integer),
    Column("detail", String), Column("duration_ms", Integer),
)  # fmt: skip
