"""``crossmargin keys``: make, list, rotate and revoke keys of the HTTP API, in the settings' database."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from aggregator.access.keys import SCOPES, Key, Keys
from aggregator.clock import utc_now
from api.cli.common import ConfigOption, DevnetOption, settings_from
from api.cli.stored import on_store

app = typer.Typer(help="Keys of the HTTP API.", no_args_is_help=True)
T = TypeVar("T")
ACTOR = "command line"


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option("--scope", help=f"Any of {', '.join(SCOPES)}; may be repeated.")],
    portfolio: Annotated[list[str] | None, typer.Option("--portfolio", help="Only this portfolio.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="Ends after so many days.")] = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
) -> None:
    """Make a key and print its secret, which is shown once."""
    now = utc_now()
    ends = None if days is None else now + timedelta(days=days)
    only = tuple(portfolio) if portfolio else None

    async def job(keys: Keys) -> tuple[Key, str]:
        return await keys.create(name, tuple(scope), now, actor=ACTOR, portfolios=only, expires_at=ends)

    _told(*_with_keys(config, devnet, job))


@app.command("list")
def list_(config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """Show all keys without their secrets."""
    table, now = Table(title="API keys"), utc_now()
    for column in ("id", "name", "scopes", "portfolios", "last used", "state"):
        table.add_column(column)
    for key in _with_keys(config, devnet, lambda keys: keys.all()):
        used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}"
        names = "all" if key.portfolios is None else ", ".join(key.portfolios)
        table.add_row(key.id, key.name, " ".join(key.scopes), names, used, "works" if key.works(now) else "ended")
    Console().print(table)


@app.command("rotate")
def rotate(key: str, config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """Make a new secret with the same rights; the old one works for another day."""
    _told(*_with_keys(config, devnet, lambda keys: keys.rotate(key, utc_now(), actor=ACTOR)))


@app.command("revoke")
def revoke(key: str, config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """End a key at once."""
    _with_keys(config, devnet, lambda keys: keys.revoke(key, utc_now(), actor=ACTOR))


def _told(key: Key, secret: str) -> None:
    typer.echo(f"{key.id}: {' '.join(key.scopes)}; the secret is shown once:", err=True)
    typer.echo(secret)


def _with_keys(config: ConfigOption, devnet: DevnetOption, job: Callable[[Keys], Awaitable[T]]) -> T:
    return on_store(settings_from(config, devnet), lambda store: job(Keys(store)))
