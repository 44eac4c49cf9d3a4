"""``crossmargin prices``: one price with its reasons, its history in files, and the incidents replayed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from aggregator.clock import utc_now
from aggregator.config import Settings
from aggregator.errors import NoSuchPrice
from aggregator.price_files import read_prices, write_bars, write_prices
from aggregator.prices import PriceLine, clock_lines, price_line
from aggregator.store.prices import PriceLog
from aggregator.store.repository import Store
from aggregator.wiring import wire
from api.cli.common import ConfigOption, DevnetOption, JsonOption, log_to_stderr, settings_from
from api.cli.incident_tour import show_incident
from api.cli.price_picture import picture
from api.cli.stored import on_store, with_store
from chains.cut import cut
from oracles.catalogue import surfaces_of
from oracles.incidents import load_incidents
from oracles.vols import Vols


class _ShowByDefault(TyperGroup):
    """``crossmargin prices ETH`` means ``crossmargin prices show ETH``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Insert ``show`` where the first word is no command."""
        if args and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(name="prices", help="Prices with their reasons.", cls=_ShowByDefault, no_args_is_help=True)

AtOption = Annotated[str | None, typer.Option("--at", help="Time (ISO 8601, UTC): from the history, not now.")]


@app.callback()
def prices() -> None:
    """Prices with their reasons: `crossmargin prices ETH --why`."""


@app.command("show")
def show(
    asset: Annotated[str, typer.Argument(help="Price key, for example ETH.")],
    at: AtOption = None,
    why: Annotated[bool, typer.Option("--why", help="Every vote, exclusion and reason.")] = False,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Read the sources now (or the history, with --at) and show one price."""
    log_to_stderr()
    settings = settings_from(config, devnet)
    found, clocks = asyncio.run(_then(settings, asset, parse_time(at)) if at else _now(settings, asset))
    if json:
        body = found.model_dump(mode="json") | ({"clocks": clocks} if clocks else {})
        typer.echo(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())
        return
    console = Console()
    console.print(picture(found, why=why), highlight=False)
    if why:
        for clock in clocks:
            least, most = clock["offset_s"], clock["offset_s"] + clock["within_s"]
            text = f"  clock {clock['clock']}: {least:+.1f} s to {most:+.1f} s against the host"
            console.print(text, style="dim", highlight=False)


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="File to write: .csv or .parquet.")],
    assets: Annotated[list[str] | None, typer.Option("--asset", help="Only these keys.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From that time on (ISO 8601, UTC).")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before that time.")] = None,
    bars: Annotated[int, typer.Option("--bars", min=0, help="Bars of so many seconds for `fit`; 0: rows.")] = 0,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
) -> None:
    """Write the stored history to a file."""

    async def run(store: Store) -> int:
        span = (parse_time(since) if since else None, parse_time(until) if until else None)
        lines = [line async for line in PriceLog(store).lines(assets or (), *span)]
        if bars:
            return write_bars(out, lines, bars)
        write_prices(out, lines)
        return len(lines)

    count = on_store(settings_from(config, devnet), run)
    typer.echo(f"{out}: {count} {'bars' if bars else 'rows'}")


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="File that `prices export` wrote.")],
    config: ConfigOption = None,
    devnet: DevnetOption = None,
) -> None:
    """Add a file's rows to the stored history; those already there stay as they are."""
    lines = list(read_prices(source))

    async def run(store: Store) -> int:
        return await PriceLog(store).add(lines)

    added = on_store(settings_from(config, devnet), run)
    typer.echo(f"{source}: {len(lines)} rows, {added} new")


@app.command("vols")
def vols(
    asset: Annotated[str, typer.Argument(help="Underlying, for example ETH.")],
    option: Annotated[
        list[str] | None, typer.Option(help="Expiry and strike to ask Derive's feed for: 2026-12-25@3000.")
    ] = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
) -> None:
    """Implied volatilities by the venues' own surfaces: one line per strike, with the venue's confidence."""
    log_to_stderr()
    wanted = [parse_option(text) for text in option or ()]
    found = asyncio.run(_vols(settings_from(config, devnet), asset, wanted))
    table = Table()
    for name in ("source", "expiry (UTC)", "strike", "volatility", "confidence"):
        table.add_column(name, justify="left" if name in {"source", "expiry (UTC)"} else "right")
    for quote in sorted(found.found, key=lambda q: (q.source, q.expiry, q.strike_usd)):
        expiry = f"{datetime.fromtimestamp(quote.expiry, UTC):%Y-%m-%d %H:%M}"
        vol, strike = f"{quote.vol * 100:.1f} %", f"{quote.strike_usd:,.0f}"
        table.add_row(quote.source, expiry, strike, vol, f"{quote.confidence:.2f}")
    for gap in found.gaps:
        table.add_row(gap.source, gap.reason, "", "", gap.detail)
    Console().print(table, highlight=False)


@app.command("replay")
def replay(
    incident: Annotated[str | None, typer.Argument(help="Name of an incident; without one their list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them, in order.")] = False,
) -> None:
    """Replay incidents: what each source said, what this layer said, what a median or one feed would have said."""
    console = Console()
    known = load_incidents()
    if incident is None and not every:
        for item in known:
            console.print(f"{item.name:<22} {item.date}  {item.title}", highlight=False)
        return
    chosen = [item for item in known if every or item.name == incident]
    if not chosen:
        raise NoSuchPrice(f"incident: {incident!r} is none of {', '.join(item.name for item in known)}")
    for item in chosen:
        show_incident(console, item)


def parse_option(text: str) -> tuple[int, Decimal]:
    """Expiry (unix seconds) and strike of ``<ISO time>@<strike>``; raises NoSuchPrice naming the form."""
    when, _, strike = text.partition("@")
    try:
        usd = Decimal(strike)
    except InvalidOperation:
        usd = Decimal(0)
    if not (usd.is_finite() and usd > 0):
        raise NoSuchPrice(f"option: expected <expiry>@<strike> such as 2026-12-25@3000, was {text[:40]!r}")
    return int(parse_time(when).timestamp()), usd


def parse_time(text: str) -> datetime:
    """An ISO time, UTC where it names no zone; raises NoSuchPrice naming the form."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise NoSuchPrice(f"time: expected ISO 8601 such as 2026-03-10T11:46:00, was {text[:40]!r}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


async def _now(settings: Settings, asset: str) -> tuple[PriceLine, list[dict[str, Any]]]:
    async with wire(settings) as wired:
        done = await wired.cycle.prices(utc_now())
        if asset not in done.book:
            raise NoSuchPrice(f"{asset!r} has no source; there are {', '.join(done.book) or 'none'}")
        clocks = [line.model_dump() for line in clock_lines(done.clocks)]
        return price_line(done.book[asset], done.at, done.book.parameters), clocks


async def _vols(settings: Settings, asset: str, wanted: Sequence[tuple[int, Decimal]]) -> Vols:
    async with wire(settings) as wired:
        cycle = wired.cycle
        at = await cut(cycle.clients, cycle.finality, utc_now().timestamp(), max_head_age_s=cycle.max_head_age_s)
        sources = [
            s for c, d in cycle.deployments.items() for s in surfaces_of(cycle.clients[c], d, asset, wanted)
        ]
        if not sources:
            raise NoSuchPrice(f"no venue of the deployments has options on {asset!r}")
        answers = await asyncio.gather(*(source.surface(at) for source in sources))
    return Vols(tuple(q for a in answers for q in a.found), tuple(g for a in answers for g in a.gaps))


async def _then(settings: Settings, asset: str, at: datetime) -> tuple[PriceLine, list[dict[str, Any]]]:
    async def run(store: Store) -> PriceLine:
        log = PriceLog(store)
        found = await log.at(asset, at)
        if found is None:
            known = ", ".join(await log.keys()) or "none"
            raise NoSuchPrice(f"no price of {asset!r} by {at:%Y-%m-%d %H:%M:%S} UTC; there is history of {known}")
        return found

    return await with_store(settings, run), []
