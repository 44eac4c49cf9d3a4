"""API keys: kept as a hash, confined to scopes and portfolios, rotated and revoked; and the audit log."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from aggregator.access.tables import AUDIT, KEYS
from aggregator.errors import ConfigError
from aggregator.store.repository import Store

SCOPES = ("read", "simulate", "watch", "admin")
PREFIX = "cmk_"
OVERLAP = timedelta(hours=24)
"""How long a rotated key still works."""
USE_NOTED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Key:
    """One key without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    portfolios: tuple[str, ...] | None
    """None: all of the settings, and the account sets that it made."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def works(self, now: datetime) -> bool:
        """Neither revoked nor past its time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Something that an administrator did."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str


def hashed(secret: str) -> str:
    """SHA-256: enough for 256 random bits, and quick."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Keys:
    """Keys of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self,
        name: str,
        scopes: tuple[str, ...],
        now: datetime,
        *,
        actor: str,
        portfolios: tuple[str, ...] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Key, str]:
        """A new key and its secret, which nobody can read again; raises ConfigError for an unknown scope."""
        if wrong := [scope for scope in scopes if scope not in SCOPES]:
            raise ConfigError(f"scope: {wrong[0]!r} is none of {', '.join(SCOPES)}")
        if not scopes:
            raise ConfigError(f"scope: name at least one of {', '.join(SCOPES)}")
        key = Key(f"key_{secrets.token_hex(6)}", name, scopes, portfolios, now, expires_at, None, None)
        secret = f"{PREFIX}{key.id.removeprefix('key_')}_{secrets.token_urlsafe(32)}"
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(insert(KEYS).values(**_row(key), hash=hashed(secret)))
            await connection.execute(_note(now, actor, "key.created", f"{key.id} {' '.join(scopes)}"))
        return key, secret

    async def rotate(self, key_id: str, now: datetime, *, actor: str) -> tuple[Key, str]:
        """A new key like an old one, which ends after an overlap; raises ConfigError where there is none."""
        old = await self._one(key_id)
        if not old.works(now):
            raise ConfigError(f"key: {key_id} does not work any more; create a new one")
        new, secret = await self.create(
            old.name, old.scopes, now, actor=actor, portfolios=old.portfolios, expires_at=old.expires_at
        )
        ends = now + OVERLAP if old.expires_at is None else min(old.expires_at, now + OVERLAP)
        await self._set(key_id, now, actor, "key.rotated", f"{key_id} {new.id}", expires_at=ends)
        return new, secret

    async def revoke(self, key_id: str, now: datetime, *, actor: str) -> None:
        """The key works no more; raises ConfigError where there is none."""
        await self._one(key_id)
        await self._set(key_id, now, actor, "key.revoked", key_id, revoked_at=now)

    async def all(self) -> tuple[Key, ...]:
        """Every key, the newest last."""
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id))).all()
        return tuple(_key(row) for row in rows)

    async def of_secret(self, secret: str, now: datetime) -> Key | None:
        """The working key of a secret; None for any other text. Its use is noted, once a minute."""
        name, separator, _ = secret.removeprefix(PREFIX).partition("_")
        if not secret.startswith(PREFIX) or not separator:
            return None
        async with self._store.transaction(writing=False) as connection:
            row = (await connection.execute(select(KEYS).where(KEYS.c.id == f"key_{name[:20]}"))).one_or_none()
        if row is None or not hmac.compare_digest(row.hash, hashed(secret)):
            return None
        key = _key(row)
        if not key.works(now):
            return None
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED:
            async with self._store.transaction(writing=True) as connection:
                await connection.execute(update(KEYS).where(KEYS.c.id == key.id).values(last_used_at=now))
        return key

    async def audit(self, *, before: int | None = None, limit: int = 50) -> tuple[AuditLine, ...]:
        """What administrators did, the newest first."""
        query = select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(AUDIT.c.seq < before)
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(query)).all()
        return tuple(AuditLine(row.seq, row.at, row.actor, row.action, row.subject) for row in rows)

    async def note(self, now: datetime, actor: str, action: str, subject: str) -> None:
        """Write into the audit log."""
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(_note(now, actor, action, subject))

    async def _one(self, key_id: str) -> Key:
        found = next((key for key in await self.all() if key.id == key_id), None)
        if found is None:
            raise ConfigError(f"key: there is none of the id {key_id[:60]!r}")
        return found

    async def _set(self, key_id: str, now: datetime, actor: str, action: str, subject: str, **values: Any) -> None:
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(update(KEYS).where(KEYS.c.id == key_id).values(**values))
            await connection.execute(_note(now, actor, action, subject))


def _note(now: datetime, actor: str, action: str, subject: str) -> Any:
    return insert(AUDIT).values(at=now, actor=actor[:60], action=action, subject=subject[:200])


def _row(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "portfolios": None if key.portfolios is None else json.dumps(key.portfolios),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }


def _key(row: Any) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        portfolios=None if row.portfolios is None else tuple(json.loads(row.portfolios)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
