"""``crossmargin margin``: one cycle now."""

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from aggregator.clock import utc_now
from aggregator.config import Settings
from aggregator.portfolios import selected
from aggregator.report import MarginReport
from aggregator.wiring import wire
from api.cli import tables
from api.cli.common import ConfigOption, DevnetOption, JsonOption, log_to_stderr, settings_from


def margin(
    account: Annotated[str, typer.Argument(help="Portfolio name, CAIP-10 account or 0x address.")],
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Read the chains now and print the margin report of one portfolio or address; needs no database."""
    log_to_stderr()
    (report,) = asyncio.run(_margin(settings_from(config, devnet), account))
    if json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        Console().print(tables.full(report))


def to_json(reports: tuple[MarginReport, ...]) -> str:
    """A JSON list of reports."""
    return msgspec.json.format(
        msgspec.json.encode([report.model_dump(mode="json") for report in reports]), indent=2
    ).decode()


async def _margin(settings: Settings, account: str) -> tuple[MarginReport, ...]:
    async with wire(settings) as wired:
        return await wired.cycle.run(utc_now(), selected(wired.cycle.portfolios, account, wired.clients))
