"""Wallet sessions: nonces that work once, and short-lived tokens kept as hashes."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from aggregator.access.keys import hashed
from aggregator.access.tables import NONCES, SESSIONS
from aggregator.store.repository import Store
from chains.caip import Address, ChainId

PREFIX = "cms_"


@dataclass(frozen=True, slots=True)
class Session:
    """One wallet that has signed in."""

    address: Address
    chain: ChainId
    expires_at: datetime


class Sessions:
    """Nonces and sessions of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def nonce(self, now: datetime, lifetime_s: int) -> tuple[str, datetime]:
        """A new nonce and when it ends; old ones are swept away."""
        nonce, ends = secrets.token_hex(16), now + timedelta(seconds=lifetime_s)
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(delete(NONCES).where(NONCES.c.expires_at < now))
            await connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at < now))
            await connection.execute(insert(NONCES).values(nonce=nonce, expires_at=ends))
        return nonce, ends

    async def take(self, nonce: str, now: datetime) -> bool:
        """Use a nonce up: True once, for one that was given and has not ended."""
        fresh = (NONCES.c.nonce == nonce, NONCES.c.used_at.is_(None), NONCES.c.expires_at > now)
        async with self._store.transaction(writing=True) as connection:
            done = await connection.execute(update(NONCES).where(*fresh).values(used_at=now))
        return done.rowcount == 1

    async def open(self, address: Address, chain: ChainId, now: datetime, lifetime_s: int) -> tuple[str, Session]:
        """A new session and its token."""
        token = PREFIX + secrets.token_urlsafe(32)
        session = Session(address, chain, now + timedelta(seconds=lifetime_s))
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(
                insert(SESSIONS).values(
                    hash=hashed(token), address=address, chain=chain, expires_at=session.expires_at
                )
            )
        return token, session

    async def of_token(self, token: str, now: datetime) -> Session | None:
        """The session of a token, None where it has ended or never was."""
        if not token.startswith(PREFIX):
            return None
        query = select(SESSIONS).where(SESSIONS.c.hash == hashed(token), SESSIONS.c.expires_at > now)
        async with self._store.transaction(writing=False) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Session(Address(row.address), ChainId(row.chain), row.expires_at)

    async def close(self, token: str) -> None:
        """End a session."""
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(delete(SESSIONS).where(SESSIONS.c.hash == hashed(token)))
