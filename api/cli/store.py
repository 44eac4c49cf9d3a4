"""``crossmargin store`` (compact, backup, restore) and ``crossmargin export``."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from aggregator.clock import utc_now
from aggregator.store.backup import backup, restore
from aggregator.store.compact import compact, vacuum
from aggregator.store.export import export
from api.cli.common import ConfigOption, DevnetOption, settings_from
from api.cli.prices import parse_time
from api.cli.stored import on_store

app = typer.Typer(help="The database: thin it, back it up, restore it.", no_args_is_help=True)
FileArgument = Annotated[Path, typer.Argument(help="The backup file, for example store.jsonl.gz.")]


@app.command("compact")
def compact_command(
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    pack: Annotated[bool, typer.Option("--vacuum", help="Give the room back to the disk (SQLite).")] = False,
) -> None:
    """Apply [retention]: of old reports and prices one an hour stays; what alerts name stays for ever."""
    settings = settings_from(config, devnet)
    removed = on_store(settings, lambda store: compact(store, settings.retention, utc_now()))
    typer.echo(f"removed: {_counted(asdict(removed))}")
    if pack:
        vacuum(settings.database.get_secret_value())


@app.command("backup")
def backup_command(file: FileArgument, config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """Write everything to one new file while the service goes on; it fits SQLite and PostgreSQL."""
    rows = on_store(settings_from(config, devnet), lambda store: backup(store, file))
    typer.echo(f"{file}: {_counted(rows)}")


@app.command("restore")
def restore_command(file: FileArgument, config: ConfigOption = None, devnet: DevnetOption = None) -> None:
    """Fill the empty database of the settings from a backup, all or nothing."""
    rows = on_store(settings_from(config, devnet), lambda store: restore(store, file))
    typer.echo(f"restored: {_counted(rows)}")


def export_command(
    to: Annotated[Path, typer.Option("--to", help="Folder for the Parquet files.")],
    since: Annotated[str | None, typer.Option("--since", help="From this UTC time on.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this UTC time.")] = None,
    config: ConfigOption = None,
    devnet: DevnetOption = None,
) -> None:
    """Write reports, venues, positions, prices, alerts and scans as Parquet, amounts as exact decimal text."""
    settings = settings_from(config, devnet)
    to.mkdir(parents=True, exist_ok=True)
    begin, end = (None if text is None else parse_time(text) for text in (since, until))
    rows = on_store(settings, lambda store: export(store, to, begin, end))
    typer.echo(f"{to}: {_counted(rows)}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items() if number) or "nothing"
