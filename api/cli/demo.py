"""``crossmargin demo``: four chains, the cast, the unified margin, the tape and its alerts; nothing to set up."""

import asyncio
import contextlib
import logging
import secrets
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from aggregator.alerts import Alert
from aggregator.clock import host_s
from aggregator.devnet_settings import devnet_settings
from aggregator.report import MarginReport
from aggregator.wiring import open_service, wire
from api.cli import tables
from api.cli.common import JsonOption, log_to_stderr
from api.cli.loop import on_loop, settle
from api.cli.margin import to_json
from api.cli.receiver import receiver
from api.cli.serve import serving
from risk.status import Status

BLOCK_TIME_S = 1
SERVICE = {"scan_interval_s": 5, "price_interval_s": 0.1}
"""Between the scans prices are looked at nearly all the time: a breach is told right after its block."""
KEEPER_INTERVAL_S = 600


def demo(
    once: Annotated[bool, typer.Option("--once", help="One pass, then stop everything and exit.")] = False,
    json: JsonOption = False,
    port: Annotated[int, typer.Option("--port", help="Port of the API; 0 takes a free one.")] = 8080,
) -> None:
    """Start four chains with real protocol contracts, show the unified margin of the cast, play the tape."""
    log_to_stderr(logging.WARNING if once else logging.ERROR)
    console = Console(stderr=once or json)
    with (
        tempfile.TemporaryDirectory(prefix="crossmargin-demo-") as name,
        _world(Path(name), console, once) as world,
    ):
        folder = Path(name)
        if once:
            reports = asyncio.run(_one_pass(folder))
            if json:
                typer.echo(to_json(reports))
            else:
                _print_all(Console(), reports)
        else:
            with contextlib.suppress(KeyboardInterrupt):
                on_loop(_Demo(world, folder, console, port).run())
            console.print("stopping the chains")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crossmargin-demo-") as name:
        yield Path(name)


@contextlib.contextmanager
def _world(folder: Path, console: Console, once: bool) -> Iterator[Any]:
    """The running devnet; its processes end with the block."""
    from chains.devnet import control
    from chains.devnet.world import build

    started = time.monotonic()
    with console.status("fetching anvil, solc and the protocol packages (first time only)") as status:
        control.fetch()
        status.update("starting four chains and deploying the protocols")
        world = build(
            folder, block_time_s=None if once else BLOCK_TIME_S, on_progress=lambda text: status.update(text)
        )
    try:
        console.print(f"four chains are up after {time.monotonic() - started:.1f} s", highlight=False)
        yield world
    finally:
        world.stop()


async def _one_pass(folder: Path) -> tuple[MarginReport, ...]:
    async with wire(devnet_settings(folder)) as wired, open_service(wired) as (service, _, _):
        return (await service.scan()).reports


def _print_all(console: Console, reports: tuple[MarginReport, ...]) -> None:
    console.print(tables.overview(reports, console.width))
    console.print(tables.model_errors(reports))


@dataclass
class _Demo:
    """One running demonstration."""

    world: Any
    folder: Path
    console: Console
    port: int
    up_at: float = field(default_factory=time.monotonic)
    first_alert_s: float | None = None
    breach_at: float | None = None
    breach_s: float | None = None
    """How long after its block the first breach of the tape was told."""

    async def run(self) -> None:
        """Serve, show, play, then wait for Ctrl-C."""
        secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
        async with receiver(secret, self._on_alert) as taken:
            settings = devnet_settings(
                self.folder,
                service=SERVICE | {"port": self.port},
                webhooks=[{"name": "demo", "url": taken.url, "secret": secret, "allow_private": True}],
            )
            async with (
                wire(settings) as wired,
                open_service(wired) as (service, store, notifier),
                serving(wired, service, store, notifier) as url,
                self._keeper(),
            ):
                reports = await self._now(service)
                settle()
                _print_all(self.console, reports)
                await self._play(service)
                self._goodbye(url, reports[0].portfolio.name)
                await asyncio.Event().wait()

    async def _play(self, service: Any) -> None:
        from chains.devnet.arrivals import arrivals
        from chains.devnet.breach import first_breach, url_of_breach
        from chains.devnet.tape import STEPS, play

        with arrivals(url_of_breach(self.world), self.folder) as blocks:
            for step in STEPS:
                self.console.rule(f"tape: {step}")
                await asyncio.to_thread(play, self.world, step)
                self.console.print(tables.overview(await self._now(service), self.console.width))
                if self.breach_at is not None and self.breach_s is None:
                    cause = await asyncio.to_thread(first_breach, self.world)
                    self.breach_s = self.breach_at - blocks.of(cause)

    async def _now(self, service: Any) -> tuple[MarginReport, ...]:
        """Reports that show every chain as it is now or later."""
        heads = await asyncio.to_thread(self.world.heads)
        return tuple((await service.scan(service.portfolios, heads)).reports)

    def _on_alert(self, alert: Alert) -> None:
        from chains.devnet.breach import BORROWER

        since = time.monotonic() - self.up_at
        if self.first_alert_s is None:
            self.first_alert_s = since
        if (alert.portfolio, alert.status) == (BORROWER, Status.LIQUIDATABLE) and self.breach_at is None:
            self.breach_at = host_s()
        before = "new" if alert.previous_status is None else alert.previous_status.value
        head = f"[bold]alert[/] after {since:.1f} s  {alert.portfolio}: {before} -> "
        status = tables.status_text(alert.status)
        self.console.print(head, status, f" {alert.reason}", sep="", highlight=False)

    @contextlib.asynccontextmanager
    async def _keeper(self) -> AsyncIterator[None]:
        """Keeps the feeds fresh while the demo is left running."""

        async def refresh() -> None:
            while True:
                await asyncio.sleep(KEEPER_INTERVAL_S)
                await asyncio.to_thread(self.world.refresh)

        task = asyncio.create_task(refresh())
        try:
            yield
        finally:
            task.cancel()

    def _goodbye(self, url: str, name: str) -> None:
        self.console.rule("the API stays up; Ctrl-C stops everything")
        if self.first_alert_s is not None:
            self.console.print(f"first alert {self.first_alert_s:.1f} s after the chains were up", highlight=False)
        if self.breach_s is not None:
            self.console.print(
                f"first breach told {self.breach_s:.2f} s after its block was there", highlight=False
            )
        self.console.print(f"the page: {url}/", highlight=False, soft_wrap=True)
        for path in (f"/v1/accounts/{name}/margin", f"/v1/accounts/{name}/positions", "/v1/alerts", "/metrics"):
            self.console.print(f"curl -s {url}{path}", highlight=False, soft_wrap=True)
