"""Account sets: portfolios that callers of the API make, beside those of the settings."""

import asyncio
import json
import logging
import secrets
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from aggregator.access.tables import SETS
from aggregator.errors import ServiceError
from aggregator.portfolios import Portfolios, expand
from aggregator.store.repository import Store
from chains.caip import AccountId, Address, ChainId, account_address

log = logging.getLogger(__name__)


class SetRefused(ServiceError, ValueError):
    """An account set that cannot be made; says why."""


@dataclass(frozen=True, slots=True)
class AccountSet:
    """Accounts that are margined together."""

    name: str
    owner: str
    accounts: tuple[AccountId, ...]
    created_at: datetime


class AccountSets:
    """Account sets of a store; the service's portfolios follow them."""

    def __init__(self, store: Store, known: Portfolios) -> None:
        self._store, self._known = store, known

    async def load(self) -> None:
        """Let the service look at every stored set, and no more at those that are gone."""
        stored = {item.name: item for item in await self.all()}
        for name in [name for name in self._known.owners if name not in stored]:
            self._forget(name)
        for item in stored.values():
            if item.name not in self._known.members:
                self._remember(item)

    async def follow(self, every_s: float) -> None:
        """Load for ever: sets that other processes make are looked at here, too."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.load()
            except Exception as error:  # noqa: BLE001 - the next look comes
                log.warning("account sets cannot be read: %s; will retry", type(error).__name__)

    async def all(self) -> tuple[AccountSet, ...]:
        """Every set by name."""
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(select(SETS).order_by(SETS.c.name))).all()
        return tuple(AccountSet(r.name, r.owner, tuple(json.loads(r.accounts)), r.created_at) for r in rows)

    async def add(
        self, name: str, owner: str, accounts: Iterable[str], chains: Iterable[ChainId], now: datetime,
        only: Address | None = None,
    ) -> AccountSet:  # fmt: skip
        """A new set under the name and a suffix of its own, so that names of others cannot be found out.

        ``only``: the one address that may be in it. Raises SetRefused, and InvalidId for a malformed account.
        """
        known = tuple(chains)
        found = AccountSet(f"{name}-{secrets.token_hex(3)}", owner, expand(accounts, known), now)
        if only is not None and any(account_address(account) != only for account in found.accounts):
            raise SetRefused(f"accounts: a wallet session may name its own address {only} only")
        if strange := [a for a in found.accounts if known and a.rpartition(":")[0] not in known]:
            raise SetRefused(f"accounts: {strange[0]} is on no configured chain")
        row = {"name": found.name, "owner": owner, "accounts": json.dumps(found.accounts), "created_at": now}
        try:
            async with self._store.transaction(writing=True) as connection:
                await connection.execute(insert(SETS).values(row))
        except IntegrityError:
            raise SetRefused("name: taken already") from None
        self._remember(found)
        return found

    async def remove(self, name: str) -> None:
        """The service looks at it no more; its reports stay."""
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(delete(SETS).where(SETS.c.name == name))
        self._forget(name)

    def _remember(self, found: AccountSet) -> None:
        cast("MutableMapping[str, str]", self._known.owners)[found.name] = found.owner
        cast("MutableMapping[str, tuple[AccountId, ...]]", self._known.members)[found.name] = found.accounts

    def _forget(self, name: str) -> None:
        cast("MutableMapping[str, str]", self._known.owners).pop(name, None)
        cast("MutableMapping[str, tuple[AccountId, ...]]", self._known.members).pop(name, None)
