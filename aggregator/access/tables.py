"""Tables of the API's access: as migration 0006 makes them."""

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, Text

from aggregator.store.columns import UtcDateTime

_META = MetaData()

KEYS = Table(
    "api_keys", _META,
    Column("id", String, primary_key=True), Column("name", String), Column("hash", String),
    Column("scopes", String), Column("portfolios", Text),
    Column("created_at", UtcDateTime()), Column("expires_at", UtcDateTime()),
    Column("revoked_at", UtcDateTime()), Column("last_used_at", UtcDateTime()),
)  # fmt: skip
NONCES = Table(
    "siwe_nonces", _META,
    Column("nonce", String, primary_key=True), Column("expires_at", UtcDateTime()),
    Column("used_at", UtcDateTime()),
)  # fmt: skip
SESSIONS = Table(
    "wallet_sessions", _META,
    Column("hash", String, primary_key=True), Column("address", String), Column("chain", String),
    Column("expires_at", UtcDateTime()),
)  # fmt: skip
SETS = Table(
    "account_sets", _META,
    Column("name", String, primary_key=True), Column("owner", String), Column("accounts", Text),
    Column("created_at", UtcDateTime()),
)  # fmt: skip
KEPT = Table(
    "kept_answers", _META,
    Column("caller", String, primary_key=True), Column("key", String, primary_key=True),
    Column("request_hash", String), Column("status", Integer), Column("body", LargeBinary),
    Column("expires_at", UtcDateTime()),
)  # fmt: skip
AUDIT = Table(
    "audit_log", _META,
    Column("seq", Integer, primary_key=True), Column("at", UtcDateTime()), Column("actor", String),
    Column("action", String), Column("subject", String),
)  # fmt: skip
