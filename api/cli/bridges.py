"""``crossmargin bridges``: routes, how long they take, what they cost, and what the laws rest on."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from aggregator.bridge_laws import Law, Observation, defaults, known_bridges, laws, read_observations
from aggregator.bridge_view import row
from aggregator.clock import utc_now
from aggregator.config import Settings
from aggregator.errors import ConfigError
from aggregator.store.transfers import TransferLog
from api.cli.common import ConfigOption, DevnetOption, JsonOption, NoSettings, settings_from
from api.cli.stored import with_store

QUANTILES = ("median", "95 %", "99 %", "99 % bad day")


def bridges(
    bridge: Annotated[
        list[str] | None, typer.Option("--bridge", help="Only this bridge; may be repeated.")
    ] = None,
    observations: Annotated[
        Path | None, typer.Option("--observations", help="CSV of own transfers that updates the laws.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also the bridges that are used only when named.")] = False,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Show the latency laws: quantiles, fees, capacity, posterior, sample size and age.

    Where there are settings, the transfers that the service has seen count too. What operators say at the moment
    only a running service knows: `crossmargin get bridges`.
    """
    settings = _settings(config, devnet)
    chosen = () if settings is None else settings.model.bridges
    wanted = tuple(bridge or (known_bridges() if all_ else chosen))
    if unknown := sorted(set(wanted) - set(known_bridges())):
        raise ConfigError(f"--bridge {unknown[0]}: no latency law; there are {', '.join(known_bridges())}")
    now = utc_now()
    path = observations or (None if settings is None else settings.model.bridge_observations)
    seen = read_observations(path) if path else ()
    if settings is not None:
        seen += asyncio.run(_stored(settings, now))
    found = laws(defaults(wanted), seen, now)
    rows = [row(law, now) for law in found]
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode({"bridges": rows}), indent=2).decode())
    else:
        Console().print(_table(found))


def _settings(config: Path | None, devnet: Path | None) -> Settings | None:
    """Settings where there are any; the defaults need none."""
    try:
        return settings_from(config, devnet)
    except NoSettings:
        return None


async def _stored(settings: Settings, now: datetime) -> tuple[Observation, ...]:
    """Transfers that the service has seen."""
    return await with_store(settings, lambda store: TransferLog(store).observations(now))


def _table(found: tuple[Law, ...]) -> Table:
    table = Table(title="Latency from source to destination transaction, calm day", title_justify="left")
    for column in (
        "bridge",
        "from",
        "to",
        "median",
        "95 %",
        "99 %",
        "99 % bad day",
        "fee",
        "capacity",
        "mark",
        "own",
    ):
        table.add_column(column, justify="left" if column in {"bridge", "from", "to", "mark"} else "right")
    now = utc_now()
    for law in found:
        shown = row(law, now)
        own = "" if law.posterior is None else f"{law.posterior.observations}, {shown['age_s']} s old"
        table.add_row(
            law.route.bridge, law.route.source, law.route.destination, _s(shown["median_s"]), _s(shown["p95_s"]),
            _s(shown["p99_s"]), _s(shown["p99_stress_s"]), f"{law.route.fee_bps:g} bps",
            f"${law.route.capacity_usd:,.0f}", law.route.mark, own,
        )  # fmt: skip
    return table


def _s(seconds: object) -> str:
    return "never" if not isinstance(seconds, float) else f"{seconds:,.0f} s"
