"""``crossmargin replay``: make a stored report again from what it was made from."""

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from aggregator.config import Settings
from aggregator.errors import StoreError
from aggregator.replay.run import Difference, Replayed, replay
from aggregator.store.inputs import InputLog
from aggregator.store.repository import Store
from api.cli.common import ConfigOption, DevnetOption, JsonOption, settings_from

MOST = 40
"""Differences printed at most."""


def replay_command(
    report_id: Annotated[str, typer.Argument(help="Id of a stored report: rep_…")],
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Make a stored report again from its inputs. Exit code 1 if a figure differs in any digit."""
    done = asyncio.run(_replayed(settings_from(config, devnet), report_id))
    if json:
        typer.echo(msgspec.json.encode(_plain(done)).decode())
    else:
        _print(Console(), report_id, done)
    if not done.same:
        raise SystemExit(1)


async def _replayed(settings: Settings, report_id: str) -> Replayed:
    store = await Store.open(settings.database.get_secret_value())
    try:
        stored, inputs = await store.report(report_id), await InputLog(store).of(report_id)
    finally:
        await store.close()
    if stored is None:
        raise StoreError(f"no report {report_id} in the store: compaction removes old ones but one an hour")
    if inputs is None:
        raise StoreError(f"the inputs of {report_id} are not kept (any more): see retention.inputs_days")
    return await asyncio.to_thread(replay, stored, *inputs)


def _plain(done: Replayed) -> dict[str, object]:
    def lines(differences: tuple[Difference, ...]) -> list[dict[str, object]]:
        return [{"path": d.path, "stored": d.stored, "again": d.again} for d in differences]

    return {
        "same": done.same,
        "differences": lines(done.differences),
        "code": lines(done.code),
        "parameters": lines(() if done.parameters is None else (done.parameters,)),
    }


def _print(console: Console, report_id: str, done: Replayed) -> None:
    for what in (*done.code, *(() if done.parameters is None else (done.parameters,))):
        console.print(f"[yellow]{what.path}[/] was {what.stored}, is {what.again}", highlight=False)
    if done.same:
        console.print(f"[green]{report_id}: every figure is the same to the last digit[/]", highlight=False)
        return
    console.print(f"[red]{report_id}: {len(done.differences)} figures differ[/]", highlight=False)
    for item in done.differences[:MOST]:
        console.print(f"  {item.path}: stored {item.stored}, again {item.again}", highlight=False, markup=False)
