"""``crossmargin serve``."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import typer
from aiohttp import web

from aggregator.access.sets import AccountSets
from aggregator.advice.desk import desk
from aggregator.bridge_watch import BridgeWatch
from aggregator.config import Settings
from aggregator.delivery.notifier import Notifier
from aggregator.indexing import Indexing
from aggregator.price_cycles import PriceCycles
from aggregator.service import Service
from aggregator.simulate.run import WhatIf
from aggregator.start import require_chains
from aggregator.store.advice import AdviceLog
from aggregator.store.repository import Store
from aggregator.upkeep import Upkeep
from aggregator.wiring import Wired, open_service, wire
from aggregator.workers.leases import UPKEEP
from aggregator.workers.touched import TouchedLog
from api.app import Deps, create_app
from api.cli.common import ConfigOption, DevnetOption, log_to_stderr, settings_from
from api.cli.loop import on_loop, settle

STOP_S = 3.0
"""A transaction under way is rolled back, or claims and leases are given back, in far less."""


def serve(config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """Scan every portfolio at the set interval, deliver alerts and answer the HTTP API, until Ctrl-C.

    One process does everything. On PostgreSQL it shares the portfolios with any other that runs beside it.
    """
    log_to_stderr()
    settings = settings_from(config, devnet)
    on_loop(run(settings, shared=is_postgres(settings)))


def is_postgres(settings: Settings) -> bool:
    """Whether several processes can share the database."""
    return settings.database.get_secret_value().startswith("postgresql")


async def run(settings: Settings, *, shared: bool = False) -> None:
    """Serve until asked to stop; ``shared``: as one of several workers."""
    async with (
        wire(settings) as wired,
        _on_its_chains(wired),
        open_service(wired, shared=shared) as (service, store, notifier),
        serving(wired, service, store, notifier) as url,
    ):
        settle()
        typer.echo(f"crossmargin answers at {url}/ (the page) and {url}/v1/accounts", err=True)
        await _asked_to_stop()
        typer.echo(
            "crossmargin stops: a cycle under way is rolled back, what is owed goes out next time", err=True
        )


@contextlib.asynccontextmanager
async def _on_its_chains(wired: Wired) -> AsyncIterator[None]:
    """Nothing is opened or written where a chain's endpoints all serve another one."""
    await require_chains(wired.transports)
    yield


async def _asked_to_stop() -> None:
    """Wait for Ctrl-C or a service manager's stop; either ends everything in order instead of in its middle."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
    for number in (signal.SIGINT, signal.SIGTERM):  # a second one is no longer patient
        loop.remove_signal_handler(number)


async def _end(tasks: Sequence[asyncio.Task[Any]], store: Store) -> None:
    """Cancel the loops; those that a database holds which does not answer are cut off from it."""
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=STOP_S)
    if late:
        await store.close()
    await asyncio.gather(*tasks, return_exceptions=True)


def _beside(wired: Wired, service: Service, store: Store) -> list[Coroutine[Any, Any, None]]:
    """Loops beside the scans: looks for missing reports, for what events touched, for prices that moved."""
    settings, share = wired.settings.service, service.share
    may_thin = (lambda: True) if share is None else (lambda: share.has(UPKEEP))
    loops = [service.run_overdue(), service.run_touched(), Upkeep(store, wired.settings.retention, may_thin).run()]
    index = wired.settings.index.enabled
    if share is not None:
        passed_on = TouchedLog(store, service.touched_at)
        sets = AccountSets(store, wired.cycle.portfolios).follow(settings.scan_interval_s)
        loops += [share.run(), passed_on.write(), passed_on.follow(), sets]
        if index:
            loops.append(Indexing(wired, store, touched=passed_on.tell, mine=share.follows).run())
    elif index:
        loops.append(Indexing(wired, store, touched=service.touch).run())
    if settings.price_interval_s is not None and settings.price_interval_s < settings.scan_interval_s:
        loops.append(PriceCycles(service, wired.cycle, settings.price_interval_s).run())
    loops.append(BridgeWatch(wired, store, may_thin).run())
    return loops


@contextlib.asynccontextmanager
async def serving(wired: Wired, service: Service, store: Store, notifier: Notifier) -> AsyncIterator[str]:
    """The HTTP API with the scan loop and the delivery loop beside it; gives the base URL."""
    settings = wired.settings.service

    async def loops(_: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each.run()) for each in (service, notifier, advice)]
        tasks += [asyncio.create_task(loop) for loop in _beside(wired, service, store)]
        yield
        await _end(tasks, store)

    await AccountSets(store, wired.cycle.portfolios).load()
    if service.share is not None:
        service.share.gained = service.gained
        await service.share.join()
    what_if = WhatIf(wired.cycle.maker, wired.cycle.worlds)
    advice = desk(wired, AdviceLog(store))
    service.hearers.append(advice.heard)
    max_age_s = 10 * settings.scan_interval_s + 30
    deps = Deps(
        store, wired.cycle.portfolios, service, max_age_s, wired.cycle.bridges, wired, wired.settings.access,
        what_if, wired.settings.statements, advice,
        notifier=notifier,
    )  # fmt: skip
    # Idle or slowly speaking connections end after this long, from their first byte on.
    patience_s = wired.settings.access.body_timeout_s
    app = create_app(deps, loops)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=3, keepalive_timeout=patience_s)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
