"""Stores of both kinds for tests, and a store with a past."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.alerts import status_change
from aggregator.prices import PriceLine
from aggregator.report import MarginReport
from aggregator.store.prices import price_rows
from aggregator.store.repository import Store
from oracles.types import PriceStatus
from risk.status import Status
from tests.kit.reports import WHEN, a_report


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def dsn(request, tmp_path) -> str:
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("postgres_server").new_database()


@pytest.fixture
async def store(dsn) -> AsyncIterator[Store]:
    opened = await Store.open(dsn)
    yield opened
    await opened.close()


def at_time(time: datetime, name: str = "desk", status: Status = Status.SAFE) -> MarginReport:
    """A report of a time."""
    report = a_report(name, status)
    return report.model_copy(update={"as_of": report.as_of.model_copy(update={"time": time})})


def a_price(
    time: datetime, key: str = "ETH", mid: str = "3000.5", status: PriceStatus = PriceStatus.OK
) -> PriceLine:
    """A price of a time, exact to more digits than a double holds."""
    usd = Decimal(mid)
    return PriceLine(
        price_key=key, time=time, status=status, reason="", low_usd=usd, mid_usd=usd, high_usd=usd,
        borrow_ceiling_usd=None, observed_at=1, age_s=1, parameters="p", notes=(), contributors=(), dissenters=(),
        facts=(),
    )  # fmt: skip


async def fill(store: Store, *, hours: int = 6, step: timedelta = timedelta(minutes=10), start=WHEN) -> list[str]:
    """A past of two portfolios with one excursion of the first; ids of its reports in order."""
    ids = []
    for i in range(int(timedelta(hours=hours) / step)):
        now = start + i * step
        status = Status.WATCH if i in {9, 10} else Status.SAFE
        reports = [at_time(now, status=status), at_time(now, "other")]
        mid = f"3000.{i:020d}1"
        await store.append(reports, status_change, ["hook"], price_rows([a_price(now, mid=mid)]))
        ids.append(reports[0].id)
    return ids
