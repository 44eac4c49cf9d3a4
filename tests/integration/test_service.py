"""The running service on the devnet: scans, stores, alerts a real receiver, answers the API, survives restarts."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from aggregator.delivery.outbox import Outbox
from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import open_service, wire
from api.cli.receiver import receiver
from api.cli.serve import serving
from chains.devnet.tape import play
from risk.status import Status

pytestmark = pytest.mark.devnet
SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2YtMjQtYnl0ZXM="
LIMIT_S = 30


@asynccontextmanager
async def running(world, database: str, hook_url: str, *, scan_interval_s: float = 0.3, **more):
    """The service as `serve` runs it; gives its URL and its store."""
    settings = devnet_settings(
        world.state_dir,
        database=database,
        service={"scan_interval_s": scan_interval_s, "port": 0},
        webhooks=[{"name": "desk", "url": hook_url, "secret": SECRET, "allow_private": True}],
        delivery={"retry_base_s": 0.1},
        **more,
    )
    async with AsyncExitStack() as stack:
        wired = await stack.enter_async_context(wire(settings))
        service, store, notifier = await stack.enter_async_context(open_service(wired))
        yield await stack.enter_async_context(serving(wired, service, store, notifier)), store


async def until(condition) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await condition():
            await asyncio.sleep(0.05)


async def get(url: str):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


async def test_crash_turns_the_status_and_the_alert_arrives_signed(devnet_snapshot, tmp_path):
    database = f"sqlite+aiosqlite:///{tmp_path / 's.db'}"
    async with receiver(SECRET, lambda _: None) as taken:
        async with running(devnet_snapshot, database, taken.url) as (url, store):

            async def ready():
                return (await get(f"{url}/readyz"))[0] == 200

            await until(ready)
            before = (await get(f"{url}/v1/accounts/thin-borrower/margin"))[1]
            assert before["status"] != Status.LIQUIDATABLE
            await asyncio.to_thread(play, devnet_snapshot, "crash-1")

            async def told():
                found = [a for a in taken.alerts if a.portfolio == "thin-borrower"]
                return any(a.status is Status.LIQUIDATABLE for a in found)

            await until(told)
            after = (await get(f"{url}/v1/accounts/thin-borrower/margin"))[1]
            assert after["status"] == Status.LIQUIDATABLE
            listed = (await get(f"{url}/v1/alerts?portfolio=thin-borrower"))[1]["alerts"]
            assert listed[0]["status"] == Status.LIQUIDATABLE
            assert (await store.report(listed[0]["report_id"])).status is Status.LIQUIDATABLE

        # The receiver was told while the service ran; a restart must not tell it again.
        count = len(taken.alerts)
        async with running(devnet_snapshot, database, taken.url) as (url, store):

            async def scanned_again():
                return (await get(f"{url}/readyz"))[0] == 200

            await until(scanned_again)
            await asyncio.sleep(0.5)

            async def nothing_owed():  # prices still settle after the step: other portfolios may have news
                return await Outbox(store).undelivered() == 0

            await until(nothing_owed)
            repeats = [a for a in taken.alerts[count:] if (a.portfolio, a.watch) == ("thin-borrower", "status")]
            assert repeats == []


async def test_alerts_of_a_dead_receiver_arrive_after_a_restart(devnet, tmp_path):
    database = f"sqlite+aiosqlite:///{tmp_path / 'd.db'}"
    async with running(devnet, database, "http://127.0.0.1:9/none") as (_, store):

        async def waiting():
            return await Outbox(store).undelivered() > 0

        await until(waiting)
        owed = await Outbox(store).undelivered()
    async with receiver(SECRET, lambda _: None) as taken, running(devnet, database, taken.url) as (_, store):

        async def delivered():
            return await Outbox(store).undelivered() == 0

        await until(delivered)
    assert len(taken.alerts) >= owed
    assert len({alert.id for alert in taken.alerts}) == len(taken.alerts)
