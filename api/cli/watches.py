"""``crossmargin watches`` and ``crossmargin alerts``: what is watched, what is open, and who knows of it.

They ask a running service (``--url``) or the settings' store, through the HTTP API's own handlers.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.common import ConfigOption, DevnetOption, JsonOption
from api.cli.get import KeyOption, UrlOption, opened
from api.cli.show import indented
from api.client import ApiClient, path_of
from risk.status import duration

alerts_app = typer.Typer(help="Alerts: what is open, and acknowledging it.", invoke_without_command=True)
watches_app = typer.Typer(help="Watches of the portfolios, and keeping one quiet.", invoke_without_command=True)
PortfolioOption = Annotated[str | None, typer.Option("--portfolio", "-p", help="Only of this portfolio.")]
STYLES = {"critical": "red", "warning": "yellow", "info": "cyan"}


@alerts_app.callback()
def alerts(
    context: typer.Context,
    only_open: Annotated[bool, typer.Option("--open", help="Only what is open and not acknowledged.")] = False,
    state: Annotated[str | None, typer.Option("--state", help="open, acknowledged or resolved.")] = None,
    portfolio: PortfolioOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="So many of the newest.")] = 50,
    url: UrlOption = None,
    key: KeyOption = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Alerts, newest first."""
    if context.invoked_subcommand is not None:
        return
    wanted = {"state": "open" if only_open else state, "portfolio": portfolio, "limit": str(limit)}
    query = {name: value for name, value in wanted.items() if value is not None}
    _print(_asked(url, key, config, devnet, "v1/alerts", query), json=json, table=_alerts)


@alerts_app.command("ack")
def acknowledge(
    alert: Annotated[str, typer.Argument(help="Id of an alert.")],
    url: UrlOption = None,
    key: KeyOption = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Say that somebody looks after it: it is told again only when it gets worse, or ends."""
    path = path_of("/v1/alerts/{alert}/ack", {"alert": alert})
    body = _asked(url, key, config, devnet, path, None)
    _print(body, json=json, table=lambda content: _alerts({"alerts": [content["alert"]]}))


@watches_app.callback()
def watches(
    context: typer.Context,
    portfolio: PortfolioOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Portfolios at most.")] = 200,
    url: UrlOption = None,
    key: KeyOption = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Watches of the portfolios with what is open."""
    if context.invoked_subcommand is not None:
        return
    query = {"limit": str(limit)} | ({} if portfolio is None else {"portfolio": portfolio})
    _print(_asked(url, key, config, devnet, "v1/watches", query), json=json, table=_watches)


def _asked(
    url: str | None, key: str | None, config: Path | None, devnet: Path | None, path: str,
    query: Mapping[str, str] | None,
) -> bytes:  # fmt: skip
    """The answer to a GET with a query, or to a POST without one."""

    async def ask(client: ApiClient) -> bytes:
        return (await (client.post(path, b"") if query is None else client.get(path, query))).body

    async def run() -> bytes:
        async with opened(url, key, config, devnet) as client:
            return await ask(client)

    return asyncio.run(run())


def _print(body: bytes, *, json: bool, table: Any) -> None:
    if json:
        typer.echo(indented(body))
    else:
        Console().print(table(msgspec.json.decode(body)))


def _alerts(content: Mapping[str, Any]) -> Table:
    table = Table(title="Alerts")
    for column in ("time (UTC)", "portfolio", "watch", "severity", "state", "what", "id"):
        table.add_column(column, overflow="fold")
    for item in content["alerts"]:
        life = item["life"]
        style = STYLES.get(item["severity"], "")
        table.add_row(
            item["created_at"][:19].replace("T", " "), escape(item["portfolio"]), item["watch"],
            f"[{style}]{item['severity']}[/]" if style else item["severity"], _state(life),
            escape(item["reason"]), item["id"],
        )  # fmt: skip
    return table


def _state(life: Mapping[str, Any] | None) -> str:
    if life is None:
        return ""
    if life["state"] == "resolved":
        return f"resolved after {duration(life['duration_s'])}"
    by = f" by {escape(life['acknowledged_by'])}" if life["acknowledged_by"] else ""
    return f"{life['state']}{by if life['state'] == 'acknowledged' else ''}"


def _watches(content: Mapping[str, Any]) -> Table:
    table = Table(title="Watches")
    for column in ("watch", "figure", "fires", "severity", "cycles", "from", "now"):
        table.add_column(column, overflow="fold")
    for item in content["watches"]:
        levels = item["levels"]
        table.add_row(
            escape(item["id"]), item["figure"], f"{item['when']} {', '.join(level['fire'] for level in levels)}",
            ", ".join(dict.fromkeys(level["severity"] for level in levels)),
            f"{item['for_cycles']}/{item['clear_cycles']}", item["origin"] + (" + api" if item["changed"] else ""),
            _now(item),
        )  # fmt: skip
    return table


def _now(item: Mapping[str, Any]) -> str:
    if not item["enabled"]:
        return "off"
    words = []
    if item["firing"]:
        words.append("[red]firing[/]" + (f" ({len(item['firing'])})" if item["firing"] != [""] else ""))
    if item["missing"]:
        words.append("[yellow]not known[/]")
    if item["muted_until"]:
        words.append(f"muted until {item['muted_until'][:16]}")
    return ", ".join(words) or "quiet"
