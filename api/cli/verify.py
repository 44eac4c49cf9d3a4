"""``crossmargin verify``: the model against the venues' own contracts, on forks, under a scenario."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from aggregator.config import Settings
from aggregator.errors import ConfigError
from aggregator.portfolios import Portfolios, selected
from aggregator.verify.compare import TOLERANCE, Row
from aggregator.verify.run import Outcome, verify
from aggregator.verify.scenarios import Scenario, choose
from aggregator.wiring import wire
from api.cli.common import ConfigOption, DevnetOption, JsonOption, log_to_stderr, settings_from


def verify_command(
    account: Annotated[
        str | None, typer.Argument(help="Portfolio name, CAIP-10 account or 0x address.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every portfolio of the settings.")] = False,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", "-s", help="Name, or moves such as spot=-20%,ETH=-30%; repeat. Without: every named one."
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option("--tolerance", min=0, help="Largest relative error.")] = TOLERANCE,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Fork the chains, move the prices, ask the contracts, compare. Exit code 1 where the model is off."""
    log_to_stderr()
    if (account is None) is not everything:
        raise ConfigError("verify: name one portfolio or account, or give --all")
    scenarios = choose(scenario or ())
    outcome = asyncio.run(_verify(settings_from(config, devnet), account, scenarios, tolerance))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_plain(outcome, scenarios)), indent=2).decode())
    else:
        _print(Console(), outcome)
    if not outcome.ok:
        raise SystemExit(1)


async def _verify(
    settings: Settings, account: str | None, scenarios: tuple[Scenario, ...], tolerance: float
) -> Outcome:
    async with wire(settings) as wired:
        known = wired.cycle.portfolios
        wanted: Portfolios = known if account is None else selected(known, account, wired.clients)
        return await verify(wired, wanted, scenarios, tolerance)


def _plain(outcome: Outcome, scenarios: tuple[Scenario, ...]) -> dict[str, Any]:
    errors = [row.rel_error for row in outcome.rows if row.rel_error is not None]
    return {
        "ok": outcome.ok,
        "compared": len(errors),
        "failed": sum(not row.ok for row in outcome.rows),
        "worst_rel_error": max(errors, default=None),
        "blocks": {
            chain: {"number": at.number, "timestamp": at.timestamp, "forked_at": outcome.forked[chain]}
            for chain, at in outcome.blocks.items()
        },
        "scenarios": [
            {"name": one.name, "about": one.about, "moves": {name: str(move) for name, move in one.given.items()}}
            for one in scenarios
        ],
        "rows": [_row(row) for row in outcome.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    plain = asdict(row)
    for name in ("before", "model", "contract"):
        figures = getattr(row, name)
        if figures is not None:
            plain[name]["surplus_usd"] = figures.surplus_usd
    return {**plain, "ok": row.ok}


def _print(console: Console, outcome: Outcome) -> None:
    table = Table(title="Model against contract after each scenario (US dollars)", title_justify="left")
    for name in ("scenario", "portfolio", "venue account"):
        table.add_column(name)
    for name in ("S before", "S model", "S contract", "rel. error", "price gap"):
        table.add_column(name, justify="right")
    for name in ("contract says", "proven"):
        table.add_column(name)
    for row in outcome.rows:
        figures = (row.before, row.model, row.contract)
        surplus = ("-" if one is None else f"{one.surplus_usd:,.2f}" for one in figures)
        sub = f" {row.sub_account}" if row.sub_account else ""
        table.add_row(
            row.scenario, ", ".join(row.portfolios), f"{row.venue}{sub} on {row.chain}", *surplus,
            _error(row.rel_error), _error(row.price_gap), _verdict(row.contract_liquidatable),
            "yes" if row.ok else f"[red]no: {row.problem}[/]",
        )  # fmt: skip
    console.print(table)
    for chain, at in outcome.blocks.items():
        console.print(f"{chain}: forked at block {outcome.forked[chain]}, read at {at.number}", highlight=False)
    bad = sum(not row.ok for row in outcome.rows)
    console.print(f"{len(outcome.rows) - bad} of {len(outcome.rows)} proven", highlight=False)
    if not outcome.rows:
        console.print("no account with a rule of its own: nothing was proven", style="yellow")


def _error(value: float | None) -> str:
    return "-" if value is None else "0" if value == 0 else f"{value:.0e}"


def _verdict(liquidatable: bool | None) -> str:
    return "-" if liquidatable is None else "liquidatable" if liquidatable else "stands"
