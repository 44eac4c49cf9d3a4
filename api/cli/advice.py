"""``crossmargin advice``: what could be done now, with unsigned transactions that went through on forks."""

import asyncio
from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from aggregator.advice.advise import advise
from aggregator.advice.model import Advice
from aggregator.advice.needs import bands_of
from aggregator.clock import utc_now
from aggregator.config import Settings
from aggregator.portfolios import selected
from aggregator.wiring import wire
from api.cli.common import ConfigOption, DevnetOption, JsonOption, log_to_stderr, settings_from
from api.cli.tables import status_text


def advice(
    account: Annotated[str, typer.Argument(help="Portfolio name, CAIP-10 account or 0x address.")],
    health: Annotated[
        float | None, typer.Option("--health", min=1.0, help="Least health that every account should have.")
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option("--coverage", min=0.0, help="Times the horizon's loss an account should hold itself."),
    ] = None,
    liquidity_coverage: Annotated[
        float | None,
        typer.Option(
            "--liquidity-coverage", min=0.0, help="Times the loss that holdings and arrivals should cover."
        ),
    ] = None,
    ratio: Annotated[
        float | None, typer.Option("--ratio", min=0.0, help="Least margin ratio of the portfolio.")
    ] = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Read the chains now, draft plans, try each on forks, and show those that went through. Signs nothing.

    Bands that are not given here are the portfolio's own in the settings.
    """
    log_to_stderr()
    asked = {"health": health, "coverage": coverage, "liquidity_coverage": liquidity_coverage, "ratio": ratio}
    given = {name: Decimal(str(value)) for name, value in asked.items() if value is not None}
    found = asyncio.run(_advice(settings_from(config, devnet), account, given))
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(Console(), found)


async def _advice(settings: Settings, account: str, given: dict[str, Decimal]) -> Advice:
    async with wire(settings) as wired:
        chosen = selected(wired.cycle.portfolios, account, wired.clients)
        bands = bands_of(settings, *chosen.names).model_copy(update=given)
        return await advise(wired, chosen, utc_now(), bands)


def _print(console: Console, found: Advice) -> None:
    console.print(f"{found.portfolio}: ", status_text(found.status), f"  {found.status_reason}", sep="")
    console.print(found.reason, markup=False)
    if found.plans:
        table = Table(title="Plans, best first (tried on forks, nothing is signed)", title_justify="left")
        for column in (
            "plan",
            "steps",
            "fees",
            "ETA median / 99 % bad day",
            "late",
            "status after",
            "residual risk",
        ):
            table.add_column(column)
        for plan in found.plans:
            worst = "never" if plan.eta.p99_stress_s is None else f"{plan.eta.p99_stress_s:,.0f} s"
            late = "" if plan.late_probability is None else f"{100 * plan.late_probability:.2f} %"
            steps = "\n".join(
                f"{s.kind} {s.amount:,.4f} {s.asset} {s.route or ''} on {s.chain}" for s in plan.steps
            )
            eta = f"{plan.eta.median_s:,.0f} s / {worst}"
            after = f"{plan.before.status} -> {plan.after.status}"
            table.add_row(
                f"{plan.name}: {plan.about}", steps, f"${plan.cost_usd:,.2f}", eta, late, after, plan.residual
            )
        console.print(table)
    for refused in found.refused:
        console.print(f"not shown: {refused.name} for {refused.account}: {refused.reason}", markup=False)
    for chain, price in found.dollar_price.items():
        console.print(f"one dollar more on {chain} is worth ${price:.4f} of expected shortfall", markup=False)
    for line in found.prepositions:
        console.print(f"better placed: {line}", markup=False)
    for free in found.movable:
        least = f"${free.least_usd:,.0f} in {free.scenario}"
        console.print(f"may leave {free.account}: ${free.now_usd:,.0f} now, {least}", markup=False)
    console.print("transactions: --json", markup=False)
