"""``crossmargin index``: find and follow the accounts of every venue, or say how far that is."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from aggregator.clock import unix, utc_now
from aggregator.config import Settings
from aggregator.errors import ServiceError
from aggregator.indexing import Indexing
from aggregator.store.index_store import SqlIndexStore
from aggregator.store.repository import Store
from aggregator.wiring import Wired, wire
from api.cli.common import ConfigOption, DevnetOption, JsonOption, log_to_stderr, settings_from
from chains.caip import ChainId
from chains.errors import ChainError
from chains.indexer.types import Advanced, IndexEvent
from chains.types import Finality


class NotReached(ServiceError):
    """A chain's head was not reached."""


def index(
    once: Annotated[bool, typer.Option("--once", help="Catch up with every head, then exit.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say how far the index is.")] = False,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    json: JsonOption = False,
) -> None:
    """Index the venues' events from the checkpoint on and keep following them, until Ctrl-C."""
    log_to_stderr()
    settings = settings_from(config, devnet)
    if not status:
        asyncio.run(_index(settings, once))
    rows = asyncio.run(_status(settings))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    else:
        Console().print(_table(rows))


async def _index(settings: Settings, once: bool) -> None:
    bars = _Bars()
    async with wire(settings) as wired:
        store = await Store.open(settings.database.get_secret_value())
        try:
            indexing = Indexing(wired, store, also=bars.show)
            with bars.progress:
                if once and not await indexing.once():
                    raise NotReached("index: a chain's head was not reached; what is indexed so far is kept")
                if not once:
                    await indexing.run()
        finally:
            await store.close()


class _Bars:
    """One progress bar per chain, with rate and time left."""

    def __init__(self) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[ChainId, TaskID] = {}

    def show(self, event: IndexEvent) -> None:
        """Move the bar of the event's chain."""
        if not isinstance(event, Advanced):
            return
        if event.chain not in self._tasks:
            start = event.tip.number - event.blocks
            self._tasks[event.chain] = self.progress.add_task(event.chain, completed=start, rate="")
        task = self._tasks[event.chain]
        speed = self.progress.tasks[task].speed
        rate = f"{speed:,.0f} blocks/s" if speed else ""
        self.progress.update(task, total=event.head, completed=event.tip.number, rate=rate)


async def _status(settings: Settings) -> list[dict[str, Any]]:
    async with wire(settings) as wired:
        store = await Store.open(settings.database.get_secret_value())
        try:
            index_store = SqlIndexStore(store)
            counts = await index_store.counts()
            return [await _row(chain, wired, index_store, counts.get(chain, {})) for chain in wired.clients]
        finally:
            await store.close()


async def _row(chain: ChainId, wired: Wired, store: SqlIndexStore, counts: dict[str, int]) -> dict[str, Any]:
    """Checkpoint, lag and accounts; None is what is not known."""
    anchors = await store.load(chain)
    tip = anchors[-1] if anchors else None
    try:
        head = (await wired.clients[chain].head(Finality.LATEST)).number
    except ChainError:
        head = None
    return {
        "chain": chain,
        "first_block": wired.settings.chains[chain].index_from_block,
        "block": tip.number if tip else None,
        "block_time": datetime.fromtimestamp(tip.timestamp, UTC).isoformat() if tip else None,
        "head": head,
        "lag_blocks": head - tip.number if tip and head is not None else None,
        "lag_s": unix(utc_now()) - tip.timestamp if tip else None,
        **{name: counts.get(name, 0) for name in ("accounts", "dirty", "failed")},
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    names = ("chain", "block", "head", "lag_blocks", "lag_s", "accounts", "dirty", "failed")
    for name in names:
        table.add_column(name, justify="left" if name == "chain" else "right")
    for row in rows:
        table.add_row(*("?" if row[name] is None else str(row[name]) for name in names))
    return table
