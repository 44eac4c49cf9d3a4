"""Answers of the API for reading: figures first, then one table per list."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aggregator.report import MarginReport
from api.cli import tables
from risk.status import Status

UNKNOWN = "?"
MOST_COLUMNS = 9
QUIET = ("as_of", "data_quality")
FIRST = (
    "seq", "created_at", "time", "portfolio", "bridge", "source", "destination", "venue", "account", "price_key",
    "name", "label", "type", "status", "status_reason", "reason",
)  # fmt: skip
"""Columns that say what a row is about, before its figures."""
HIDDEN = frozenset({"chain", "inputs_hash", "accounts"})
"""Columns of a table that others say shorter."""
ADDRESS = re.compile(r"0x([0-9a-fA-F]{4})[0-9a-fA-F]{32}([0-9a-fA-F]{4})")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
STATUSES = frozenset(status.value for status in Status)


def indented(body: bytes) -> str:
    """JSON laid out; text as it is."""
    return msgspec.json.format(body, indent=2).decode()


def show(console: Console, model: type[BaseModel], body: bytes) -> None:
    """Print an answer."""
    if model is MarginReport:
        console.print(tables.full(MarginReport.model_validate_json(body)))
        return
    content = msgspec.json.decode(body)
    _figures(console, content)
    for name, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            console.print(_table(name, value, console.width))
        elif isinstance(value, list) and name not in QUIET:
            console.print(Text(f"{_words(name)}: {', '.join(map(_cell, value)) or 'none'}"))
    _origin(console, content)


def _figures(console: Console, content: Mapping[str, Any]) -> None:
    """Everything that is no list, one line each; nested parts by their path."""
    rows = [(name, value) for name, value in _flat(content) if name.split(".")[0] not in QUIET]
    if not rows:
        return
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(Text(_words(name)), _text(value))
    console.print(grid)


def _flat(content: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        elif not isinstance(value, list):
            yield f"{path}{name}", value
        elif path and not any(isinstance(item, Mapping | list) for item in value):
            yield f"{path}{name}", ", ".join(map(_cell, value))


def _table(name: str, rows: Sequence[Mapping[str, Any]], width: int) -> Table:
    flat = [dict(_flat(row)) for row in rows]
    columns = [key for key in dict.fromkeys(key for row in flat for key in row) if _told(key, flat)]
    columns.sort(key=_place)
    most = max(3, min(MOST_COLUMNS, width // 13))
    title = _words(name) + (f" ({len(columns) - most} more columns: --json)" if len(columns) > most else "")
    table = Table(title=title, title_justify="left")
    for key in columns[:most]:
        money = all(isinstance(row.get(key), int | float) or _is_number(row.get(key)) for row in flat)
        table.add_column(_words(key), justify="right" if money else "left", overflow="fold")
    for row in flat:
        table.add_row(*(_text(_short(row.get(key))) for key in columns[:most]))
    return table


def _place(key: str) -> tuple[int, bool]:
    """What a row is about first, then its figures, then ids and hashes, which are long."""
    return (FIRST.index(key) if key in FIRST else len(FIRST), key.endswith(("id", "hash")))


def _told(key: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a column says anything: the stamps of every row do not fit beside the figures."""
    return not key.startswith(QUIET) and key not in HIDDEN and any(row.get(key) not in {None, ""} for row in rows)


def _short(value: Any) -> Any:
    """Addresses by their ends, times to the second: a table has no room for all of them."""
    if not isinstance(value, str):
        return value
    if TIME.fullmatch(value):
        return value[:19].replace("T", " ")
    return ADDRESS.sub(r"0x\1…\2", value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit())


def _text(value: Any) -> Text:
    if isinstance(value, str) and value in STATUSES:
        return tables.status_text(Status(value))
    return Text(_cell(value))


def _cell(value: Any) -> str:
    """A value for people: dollars with separators, nothing for an empty word, ``?`` for what is not known."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and "." in value and _is_number(value):
        number = Decimal(value)
        return f"{number:,.2f}" if abs(number) >= 100 else f"{number:.6f}".rstrip("0").rstrip(".")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")


def _origin(console: Console, content: Mapping[str, Any]) -> None:
    """When and where the figures are true, and what is missing."""
    at, quality = content.get("as_of"), content.get("data_quality")
    if isinstance(at, Mapping):
        blocks = "".join(f", {chain} block {block['number']}" for chain, block in at["blocks"].items())
        console.print(Text(f"as of {str(at['time'])[:19].replace('T', ' ')} UTC{blocks}", style="dim"))
    if isinstance(quality, Mapping):
        for line in quality["degraded"]:
            console.print(Text(f"{line['what']}: {line['reason']}", style="yellow"))
