"""``crossmargin check`` and ``crossmargin doctor``: the settings by themselves, and everything that they name."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from aggregator.config import default_settings_path
from aggregator.doctor.finding import Finding, Outcome
from aggregator.doctor.lint import lint
from aggregator.doctor.run import examine
from api.cli.common import ConfigOption, DevnetOption, JsonOption, settings_from

MARKS = {Outcome.PASS: "[green]pass[/]", Outcome.WARN: "[yellow]warn[/]", Outcome.FAIL: "[red]FAIL[/]"}


def check(config: ConfigOption = None, devnet: DevnetOption = None, json: JsonOption = False) -> None:
    """Read the settings for mistakes without asking anybody. Exit code 1 if a line fails."""
    settings = settings_from(config, devnet)
    _tell(lint(settings, None if devnet else config or default_settings_path()), json)


def doctor(config: ConfigOption = None, devnet: DevnetOption = None, json: JsonOption = False) -> None:
    """Try what the settings name: endpoints, contracts, feeds, clocks, database, receivers.

    Nothing is written, and nothing is sent to a receiver. Exit code 1 if a line fails.
    """
    _tell(asyncio.run(examine(settings_from(config, devnet))), json)


def _tell(lines: Sequence[Finding], json: bool) -> None:
    if json:
        typer.echo(msgspec.json.encode([asdict(line) for line in lines]).decode())
    else:
        console = Console()
        for line in lines:
            _print(console, line)
        counts = {outcome: sum(line.outcome is outcome for line in lines) for outcome in Outcome}
        console.print(", ".join(f"{number} {outcome}" for outcome, number in counts.items()), highlight=False)
    if not all(line.ok for line in lines):
        raise SystemExit(1)


def _print(console: Console, line: Finding) -> None:
    passed = line.outcome is Outcome.PASS
    detail = f"  [dim]{escape(line.detail)}[/]" if passed and line.detail else ""
    console.print(f"{MARKS[line.outcome]} {escape(line.what)}{detail}", highlight=False, soft_wrap=True)
    if not passed:
        console.print(f"     {escape(line.detail)}", highlight=False, soft_wrap=True)
        console.print(f"     [bold]fix[/] {escape(line.fix)}", highlight=False, soft_wrap=True)
