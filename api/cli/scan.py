"""``crossmargin scan``: every portfolio once, with a progress bar; or made-up ones of any number, to measure."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from aggregator import progress
from aggregator.config import Settings
from aggregator.mass.on_ray import OnRay
from aggregator.mass.run import Engine, Local, Profile, mass_scan
from aggregator.mass.snapshot import synthetic, synthetic_market
from aggregator.report import MarginReport
from aggregator.scans import ScanRecord
from aggregator.store.mass import MassLog
from aggregator.store.repository import Store
from aggregator.wiring import open_service, wire
from api.cli import tables
from api.cli.common import (
    AddressOption,
    ConfigOption,
    DevnetOption,
    EngineOption,
    JsonOption,
    log_to_stderr,
    settings_from,
)
from api.cli.margin import to_json

INSTRUMENTS, SCENARIOS, POSITIONS = 500, 500, 20


def scan(
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
    made_up: Annotated[
        int, typer.Option("--synthetic", min=0, help="Scan so many made-up portfolios of 20 positions instead.")
    ] = 0,
    engine: EngineOption = "local",
    address: AddressOption = None,
    store: Annotated[bool, typer.Option("--store/--no-store", help="Write synthetic results too.")] = True,
) -> None:
    """Scan every portfolio once, store the reports and their alerts, and compare with the scan before."""
    log_to_stderr()
    if made_up:
        chosen: Engine = OnRay(address) if engine == "ray" else Local()
        settings = settings_from(config, devnet) if store else None
        with chosen.session():
            profile = asyncio.run(_synthetic(made_up, chosen, settings))
        _print_profile(Console(), profile)
        return
    with _bar(quiet=json or not sys.stderr.isatty()):
        reports, record = asyncio.run(_scan(settings_from(config, devnet)))
    if json:
        typer.echo(to_json(reports))
        return
    console = Console()
    console.print(tables.overview(reports, console.width))
    console.print(tables.model_errors(reports))
    _print_record(console, record)


async def _scan(settings: Settings) -> tuple[tuple[MarginReport, ...], ScanRecord | None]:
    async with wire(settings) as wired, open_service(wired) as (service, _, _):
        return (await service.scan()).reports, service.scans.last


@contextlib.contextmanager
def _bar(*, quiet: bool) -> Iterator[None]:
    if quiet:
        yield
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("heads of the chains", total=None)
        with progress.shown(lambda what, done, of: bar.update(task, description=what, completed=done, total=of)):
            yield


def _print_record(console: Console, record: ScanRecord | None) -> None:
    if record is None:
        return
    counts = ", ".join(f"{number} {status}" for status, number in record.statuses.items())
    console.print(f"{record.portfolios} portfolios in {record.duration_s:.2f} s: {counts}", highlight=False)
    for change in record.changes:
        before, now = (None if s is None else s.value for s in (change.before, change.now))
        console.print(f"  {change.portfolio}: {before or 'new'} -> {now or 'gone'}", highlight=False)
    if record.changed > len(record.changes):
        console.print(f"  and {record.changed - len(record.changes)} more", highlight=False)
    for move in record.largest_moves[:5]:
        amount = move.mm_excess_change_usd
        console.print(f"  {move.portfolio}: excess {amount:+,.2f} USD since the scan before", highlight=False)


async def _synthetic(count: int, engine: Engine, settings: Settings | None) -> Profile:
    profile = Profile()
    with profile.timed("make the portfolios"):
        market = synthetic_market(INSTRUMENTS, SCENARIOS)
        snapshot = synthetic(count, POSITIONS, market)
    with profile.timed("reprice"):
        changes = engine.reprice(market)
    store = None if settings is None else await Store.open(settings.database.get_secret_value())
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("portfolios", total=count)
        log = None if store is None else MassLog(store)
        await mass_scan(snapshot, changes, engine, log, profile, lambda done: bar.update(task, completed=done))
    if store is not None:
        await store.close()
    return profile


def _print_profile(console: Console, profile: Profile) -> None:
    table = Table("stage", "seconds", "portfolios/s", title=f"{profile.portfolios:,} portfolios")
    for stage, seconds in (*profile.stages.items(), ("all", profile.total_s)):
        table.add_row(stage, f"{seconds:.3f}", f"{profile.portfolios / max(seconds, 1e-9):,.0f}")
    console.print(table)
    counts = ", ".join(f"{number:,} {status}" for status, number in sorted(profile.statuses.items()))
    console.print(counts, highlight=False)
