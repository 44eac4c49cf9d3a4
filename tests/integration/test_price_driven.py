"""A price that moves on a chain is acted on between scans: the alert comes long before the next scan would."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import open_service, wire
from api.cli.serve import serving
from chains.devnet.tape import play
from risk.status import Status

pytestmark = pytest.mark.devnet
LIMIT_S = 30
SCAN_EVERY_S = 3600


async def test_a_crash_is_told_between_scans(devnet_snapshot, tmp_path):
    settings = devnet_settings(
        devnet_snapshot.state_dir,
        database=f"sqlite+aiosqlite:///{tmp_path / 'p.db'}",
        service={"scan_interval_s": SCAN_EVERY_S, "price_interval_s": 0.3, "port": 0},
        index={"enabled": False},
    )
    async with AsyncExitStack() as stack:
        wired = await stack.enter_async_context(wire(settings))
        service, store, notifier = await stack.enter_async_context(open_service(wired))
        await stack.enter_async_context(serving(wired, service, store, notifier))
        async with asyncio.timeout(LIMIT_S):
            while service.last_scan is None:
                await asyncio.sleep(0.02)
            assert (await store.latest("thin-borrower")).status is not Status.LIQUIDATABLE
            scanned = service.last_scan
            await asyncio.to_thread(play, devnet_snapshot, "crash-1")
            while not any(
                a.status is Status.LIQUIDATABLE for _, a in await store.alerts(portfolio="thin-borrower")
            ):
                await asyncio.sleep(0.02)
        assert service.last_scan is scanned
