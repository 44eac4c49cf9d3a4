"""Who may spend how much of each endpoint's rate, in PostgreSQL; each call in a transaction of the caller.

One worker at a time owns an endpoint's rate: it holds the lease ``rate-<digest>``. In its beat it lends parts to
all that live, itself among them, by what they want (``aggregator.workers.rates``). Whoever reads or writes loans
holds a lock to the end of its transaction, so that an owner that is being replaced cannot lend beside the new one.
A database that counted each request would do as well, but be asked before each.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.workers.leases import FORGET_S, hold, now, rate_lease
from aggregator.workers.rates import Loan, Part, lend, told
from aggregator.workers.tables import LOANS

LOANS_LOCK: Final = 0x63726F726174
"""Key of the advisory lock of the loans."""


class Rate(Protocol):
    """An endpoint's budget in this process."""

    @property
    def per_s(self) -> int:
        """Requests per second that the endpoint takes from all together."""
        ...

    def keep_to(self, part: int, for_s: float) -> None:
        """Spend at most so many per second for so long, then the least."""
        ...

    def asked(self) -> int:
        """Requests per second that were wanted lately."""
        ...


class Borrower:
    """Loans of one process. ``rates``: the endpoints' budgets by digest."""

    def __init__(self, worker: str, rates: Mapping[str, Rate], for_s: float) -> None:
        self._worker = worker
        self.rates = rates
        self._for_s = for_s
        self._parts = {digest: Part() for digest in rates}

    @property
    def leases(self) -> frozenset[str]:
        """Names of the leases on the endpoints' rates."""
        return frozenset(map(rate_lease, self.rates))

    @property
    def whole(self) -> bool:
        """Whether something is lent to this process of every endpoint that has something to lend."""
        return all(self._parts[digest].limit or rate.per_s == 1 for digest, rate in self.rates.items())

    async def exchange(
        self, connection: AsyncConnection, epochs: Mapping[str, int], living: Collection[str]
    ) -> dict[str, Loan]:
        """Say what is wanted, lend of what is owned, and see what is lent to this process, by digest."""
        if not self.rates:
            return {}
        owned = await hold(connection, self._worker, {name: epochs[name] for name in self.leases & epochs.keys()})
        await connection.execute(select(func.pg_advisory_xact_lock(LOANS_LOCK)))
        at: datetime = (await connection.execute(select(now()))).scalar_one()
        mine, at_s = {}, time.monotonic()
        for digest, found in (await self._read(connection, at)).items():
            rate, held = self.rates[digest], self._parts[digest].holds(at_s)
            loans = told(found, self._worker, rate.asked(), held)
            if rate_lease(digest) in owned:
                loans = lend(rate.per_s, loans, living, self._for_s)
            await self._write(connection, digest, [loan for loan in loans if loan not in found], at)
            mine[digest] = next(loan for loan in loans if loan.worker == self._worker)
        over = LOANS.c.until < at - timedelta(seconds=FORGET_S)
        await connection.execute(delete(LOANS).where(over))
        return mine

    async def _read(self, connection: AsyncConnection, at: datetime) -> dict[str, list[Loan]]:
        columns = (LOANS.c.endpoint, LOANS.c.worker, LOANS.c.wants, LOANS.c.part, LOANS.c.held, LOANS.c.until)
        query = select(*columns).where(LOANS.c.endpoint.in_(self.rates))
        loans: dict[str, list[Loan]] = {digest: [] for digest in self.rates}
        for endpoint, worker, wants, part, held, until in (await connection.execute(query)).all():
            loans[endpoint].append(Loan(worker, wants, part, held, (until - at).total_seconds()))
        return loans

    async def _write(self, connection: AsyncConnection, digest: str, loans: Iterable[Loan], at: datetime) -> None:
        for loan in loans:
            row: dict[str, Any] = {"wants": loan.wants, "part": loan.part, "held": loan.held}
            row["until"] = at + timedelta(seconds=loan.left_s)
            said = insert(LOANS).values(endpoint=digest, worker=loan.worker, **row)
            await connection.execute(said.on_conflict_do_update(index_elements=["endpoint", "worker"], set_=row))

    def keep_to(self, loans: Mapping[str, Loan], began_s: float) -> None:
        """Keep to what is lent once that is committed; ``began_s``: before it was read, by the monotonic clock."""
        at_s = time.monotonic()
        for digest, rate in self.rates.items():
            loan = loans.get(digest)
            left_s = 0.0 if loan is None else max(0.0, loan.left_s - (at_s - began_s))
            part = loan.part if loan is not None and left_s else 0
            self._parts[digest].keep_to(part, at_s)
            rate.keep_to(part, left_s)

    def end(self) -> None:
        """Spend no more than the least from now on."""
        self.keep_to({}, time.monotonic())

    async def leave(self, connection: AsyncConnection) -> None:
        """Let the loans end now."""
        mine = LOANS.c.worker == self._worker
        await connection.execute(update(LOANS).where(mine).values(until=func.least(LOANS.c.until, now())))
