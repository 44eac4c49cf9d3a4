"""``crossmargin notify``: try receivers out, read the delivery log, switch a receiver on again."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aggregator.clock import utc_now
from aggregator.delivery.log import attempts
from aggregator.delivery.notifier import Notifier, Trial
from aggregator.delivery.outbox import Backlog
from aggregator.delivery.receivers import ReceiverState, enable, states
from aggregator.errors import UnknownReceiver
from aggregator.store.repository import Store
from api.cli.common import ConfigOption, DevnetOption, settings_from
from api.cli.stored import on_store

app = typer.Typer(help="Receivers of alerts: try them out, see what was delivered.", no_args_is_help=True)
ReceiverArgument = Annotated[str | None, typer.Argument(help="Name of the receiver; all where none is named.")]


@app.command("test")
def try_out(receiver: ReceiverArgument = None, config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """Send a test message and say what the receiver answered. Exit code 1 if one did not take it."""
    settings = settings_from(config, devnet)
    names = [receiver] if receiver is not None else [hook.name for hook in settings.webhooks]
    if not names:
        raise UnknownReceiver("no receiver in the settings: add a [[webhooks]] table")

    async def job(store: Store) -> list[Trial]:
        notifier = Notifier(store, settings.webhooks, settings.delivery)
        return [await notifier.try_out(name) for name in names]

    console, trials = Console(), on_store(settings, job)
    for name, trial in zip(names, trials, strict=True):
        mark = "[green]ok  [/]" if trial.outcome.delivered else "[red]FAIL[/]"
        console.print(f"{mark} {name}: {trial.outcome.detail} after {trial.duration_s:.2f} s", highlight=False)
    if not all(trial.outcome.delivered for trial in trials):
        raise SystemExit(1)


@app.command("list")
def list_(config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """Show all receivers with their state."""
    settings = settings_from(config, devnet)

    async def job(store: Store) -> tuple[dict[str, ReceiverState], dict[str, Backlog]]:
        return await states(store), await Notifier(store, settings.webhooks).backlogs()

    known, waiting = on_store(settings, job)
    table = Table(title="Receivers of alerts")
    for column in ("name", "kind", "state", "waiting", "last delivery"):
        table.add_column(column)
    for hook in settings.webhooks:
        state, backlog = known.get(hook.name, ReceiverState()), waiting.get(hook.name, Backlog(0, None))
        last = "never" if state.last_delivered_at is None else f"{state.last_delivered_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(hook.name, hook.kind, _words(state), str(backlog.waiting), last)
    Console().print(table)


@app.command("log")
def log(
    receiver: ReceiverArgument = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many of the newest.")] = 20,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
) -> None:
    """Show attempts, newest first."""
    settings = settings_from(config, devnet)
    found = on_store(settings, lambda store: attempts(store, receiver=receiver, limit=limit))
    table = Table(title="Delivery log")
    for column in ("time", "receiver", "message", "attempt", "result", "ms"):
        table.add_column(column)
    for item in found:
        result = escape(item.detail) if item.delivered else f"[red]{escape(item.detail)}[/]"
        when = f"{item.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(when, item.receiver, item.message_id, str(item.attempt), result, str(item.duration_ms))
    Console().print(table)


@app.command("enable")
def enable_(
    receiver: Annotated[str, typer.Argument(help="Name of the receiver.")],
    config: ConfigOption = None,
    devnet: DevnetOption = None,
) -> None:
    """Switch a receiver on again; what waits for it is sent by the running service."""
    settings = settings_from(config, devnet)
    names = [hook.name for hook in settings.webhooks]
    if receiver not in names:
        raise UnknownReceiver(
            f"no receiver is called {receiver!r}; the settings have: {', '.join(names) or 'none'}"
        )
    changed = on_store(settings, lambda store: enable(store, receiver, utc_now()))
    typer.echo(f"{receiver}: {'switched on' if changed else 'was not switched off'}")


def _words(state: ReceiverState) -> str:
    if state.disabled_at is not None:
        return f"[red]off[/] since {state.disabled_at:%Y-%m-%d %H:%M}: {escape(state.disabled_reason)}"
    if state.failing_since is not None:
        return f"[yellow]failing[/] since {state.failing_since:%Y-%m-%d %H:%M}: {escape(state.last_error)}"
    return "[green]works[/]" if state.last_delivered_at is not None else "not tried yet"
