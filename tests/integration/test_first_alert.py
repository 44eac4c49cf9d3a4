"""With the demo's chains and settings: the first alert within a minute, a breach told at once after its block."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack

import pytest

from aggregator.clock import host_s
from aggregator.delivery.outbox import Outbox
from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import open_service, wire
from api.cli.demo import BLOCK_TIME_S, SERVICE
from api.cli.loop import HAND_OVER_S
from api.cli.receiver import receiver
from api.cli.serve import serving
from chains.devnet.arrivals import arrivals
from chains.devnet.breach import BORROWER, first_breach, url_of_breach
from chains.devnet.tape import play
from chains.devnet.world import build
from risk.status import Status

pytestmark = [pytest.mark.devnet, pytest.mark.slow, pytest.mark.alone]
SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2YtMjQtYnl0ZXM="
FIRST_S, AFTER_BLOCK_S = 60, 2.0


@pytest.fixture
def as_served():
    """Threads hand over as `serve` and `demo` let them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(HAND_OVER_S)
    yield
    sys.setswitchinterval(before)


async def test_the_first_alert_comes_soon_and_a_breach_right_after_its_block(tmp_path, as_served):
    began = time.monotonic()
    arrived: dict[str, float] = {}

    def note(alert) -> None:
        arrived.setdefault("first", time.monotonic() - began)
        if (alert.portfolio, alert.status) == (BORROWER, Status.LIQUIDATABLE):
            arrived.setdefault("breach", host_s())

    async with AsyncExitStack() as stack:
        world = await asyncio.to_thread(build, tmp_path, block_time_s=BLOCK_TIME_S)
        stack.callback(world.stop)
        blocks = stack.enter_context(arrivals(url_of_breach(world), tmp_path))
        taken = await stack.enter_async_context(receiver(SECRET, note))
        settings = devnet_settings(
            tmp_path,
            service=SERVICE | {"port": 0},
            webhooks=[{"name": "demo", "url": taken.url, "secret": SECRET, "allow_private": True}],
        )
        wired = await stack.enter_async_context(wire(settings))
        service, store, notifier = await stack.enter_async_context(open_service(wired))
        await stack.enter_async_context(serving(wired, service, store, notifier))
        await until(lambda: "first" in arrived)
        assert arrived["first"] < FIRST_S
        await until(lambda: service.last_scan is not None)
        async with asyncio.timeout(FIRST_S):
            while await Outbox(store).undelivered():  # what the first look had to say
                await asyncio.sleep(0.05)
        assert "breach" not in arrived
        await asyncio.to_thread(play, world, "crash-1")
        await until(lambda: "breach" in arrived)
        after_s = arrived["breach"] - blocks.of(await asyncio.to_thread(first_breach, world))
    sys.stdout.write(f"first alert {arrived['first']:.1f} s after the start, ")
    sys.stdout.write(f"the breach {after_s:.2f} s after its block was there\n")
    assert 0 < after_s < AFTER_BLOCK_S


async def until(condition) -> None:
    async with asyncio.timeout(FIRST_S):
        while not condition():
            await asyncio.sleep(0.01)
