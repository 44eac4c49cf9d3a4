"""``crossmargin cascade``: what a shock does to every account of the current scan, round by round."""

import asyncio
from math import isfinite
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from aggregator.clock import utc_now
from aggregator.config import Settings
from aggregator.errors import ConfigError
from aggregator.spiral import Spiral, spiral
from aggregator.wiring import wire
from api.cli.common import ConfigOption, DevnetOption, JsonOption, log_to_stderr, settings_from
from risk.arrays import F64

SHOWN = 12


def cascade(
    shock: Annotated[list[str], typer.Option("--shock", help="FACTOR=CHANGE, for example ETH=-20%; repeat it.")],
    volume: Annotated[
        list[str] | None,
        typer.Option("--volume", help="FACTOR=USD a day that liquidations trade against, instead of the default."),
    ] = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Let a price shock trigger liquidations, these move prices, and so on until it settles."""
    shocks = dict(_pair("--shock", text, percent=True) for text in shock)
    volumes = dict(_pair("--volume", text, percent=False) for text in volume or ())
    log_to_stderr()
    found = asyncio.run(_run(settings_from(config, devnet), shocks, volumes))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_body(found)), indent=2).decode())
    else:
        _print(Console(), found)


async def _run(settings: Settings, shocks: dict[str, float], volumes: dict[str, float]) -> Spiral:
    async with wire(settings) as wired:
        world = await wired.cycle.world(utc_now())
        return spiral(wired.cycle.maker, world, shocks, volumes)


def _pair(option: str, text: str, *, percent: bool) -> tuple[str, float]:
    """FACTOR and number; raises ConfigError with the form that is meant."""
    name, _, number = text.partition("=")
    form = "FACTOR=CHANGE such as ETH=-20%" if percent else "FACTOR=USD such as ETH=5e8"
    try:
        value = float(number.removesuffix("%")) / (100.0 if number.endswith("%") else 1.0)
    except ValueError:
        raise ConfigError(f"{option} {text!r}: write {form}") from None
    if not name or not isfinite(value) or (value <= -1.0 if percent else value <= 0.0):
        bound = "a change above -100 %" if percent else "dollars above 0"
        raise ConfigError(f"{option} {text!r}: write {form}, {bound}")
    return name, value


def _body(found: Spiral) -> dict[str, object]:
    result = found.result
    rounds = [
        {
            "moves": _by_factor(found, one.moves),
            "accounts": [found.accounts[row].id for row in one.accounts],
            "sold_usd": _by_factor(found, one.sold_usd),
            "penalty_usd": float(one.penalty_usd.sum()),
            "bad_debt_usd": float(one.bad_debt_usd.sum()),
        }
        for one in result.rounds
    ]
    venues = {
        name: {"penalty_usd": penalty, "bad_debt_usd": bad, "accounts": count}
        for name, (penalty, bad, count) in found.by_venue().items()
    }
    assets = {
        name: {"sold_usd": sold, "penalty_usd": penalty, "bad_debt_usd": bad}
        for name, (sold, penalty, bad) in found.by_asset().items()
    }
    return {
        "settled": result.settled,
        "accounts": len(found.accounts),
        "left_out": [{"what": what, "reason": reason} for what, reason in found.left_out],
        "volume_usd": _by_factor(found, found.volume_usd),
        "moves": _by_factor(found, result.moves),
        "sold_usd": _by_factor(found, result.sold_usd),
        "venues": venues,
        "assets": assets,
        "rounds": rounds,
    }


def _by_factor(found: Spiral, values: F64) -> dict[str, float]:
    return {name: float(value) for name, value in zip(found.factors, values, strict=True) if value}


def _print(console: Console, found: Spiral) -> None:
    result = found.result
    table = Table(title="Rounds of liquidation", title_justify="left")
    for column in ("round", "prices", "accounts liquidated", "sold, USD", "penalties, USD", "bad debt, USD"):
        table.add_column(column, justify="left" if column in {"prices", "accounts liquidated"} else "right")
    for number, one in enumerate(result.rounds, 1):
        names = [found.accounts[row].id.partition(":0x")[2] for row in one.accounts]
        shown = [f"0x{name[:6]}…{name[40:]}" for name in names[:SHOWN]]
        more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
        moves = ", ".join(f"{n} {100 * m:+.2f} %" for n, m in _by_factor(found, one.moves).items())
        sold = ", ".join(f"{n} {s:,.0f}" for n, s in _by_factor(found, one.sold_usd).items())
        sums = (f"{one.penalty_usd.sum():,.0f}", f"{one.bad_debt_usd.sum():,.0f}")
        table.add_row(str(number), moves, "\n".join(shown + more), sold, *sums)
    console.print(table)
    venues = Table(title="By venue", title_justify="left")
    for column in ("venue", "accounts", "penalties, USD", "bad debt, USD"):
        venues.add_column(column, justify="left" if column == "venue" else "right")
    for name, (penalty, bad, count) in found.by_venue().items():
        venues.add_row(name, str(count), f"{penalty:,.0f}", f"{bad:,.0f}")
    console.print(venues)
    assets = Table(title="By asset", title_justify="left")
    for column in ("asset", "sold, USD", "penalties, USD", "bad debt, USD"):
        assets.add_column(column, justify="left" if column == "asset" else "right")
    for name, losses in found.by_asset().items():
        assets.add_row(name, *(f"{value:,.0f}" for value in losses))
    console.print(assets)
    _say_end(console, found)


def _say_end(console: Console, found: Spiral) -> None:
    end = ", ".join(f"{n} {100 * m:+.2f} %" for n, m in _by_factor(found, found.result.moves).items())
    hit = {int(row) for one in found.result.rounds for row in one.accounts}
    word = "settled" if found.result.settled else "still going when it was cut off"
    console.print(f"{len(hit)} of {len(found.accounts)} venue accounts liquidated; {word} at {end or 'no move'}")
    for what, reason in found.left_out:
        console.print(f"[yellow]not in it[/] {what}: {reason}")
