"""Latency laws in use: defaults that ship, updated by own observations from a CSV file.

Columns ``observed_at, bridge, source, destination, latency_s``: ISO time in UTC, a bridge of the route table,
CAIP-2 ids, seconds from source to destination transaction; empty: not arrived when the file was written.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from aggregator.errors import ServiceError
from chains.caip import parse_chain
from chains.errors import InvalidId
from risk.posterior import Posterior, update
from risk.routes import Route, load_routes

MORE = "routes_more_v1.toml"
COLUMNS = ("observed_at", "bridge", "source", "destination", "latency_s")
KEPT = timedelta(days=90)
"""Bridges change; what is older says little about today."""
Key = tuple[str, str, str]


class ObservationError(ServiceError, ValueError):
    """A file of observations cannot be used; names the file, the row and the fix."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One transfer."""

    observed_at: datetime
    bridge: str
    source: str
    destination: str
    latency_s: float | None
    """None: not arrived yet when the file was written."""
    lost: bool = False
    """Nobody can deliver it any more: it comes back to its sender."""


@dataclass(frozen=True, slots=True)
class Law:
    """A route as it is used, and where its law comes from."""

    route: Route
    default: Route
    posterior: Posterior | None = None
    newest: datetime | None = None
    """Time of the latest observation."""


@dataclass(slots=True)
class _Seen:
    done: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    newest: datetime | None = None


def defaults(bridges: Sequence[str] = ()) -> tuple[Route, ...]:
    """Routes by bridge names; without names those of the main table. Unknown names give nothing."""
    main = load_routes()
    if not bridges:
        return main
    return tuple(route for route in (*main, *load_routes(name=MORE)) if route.bridge in bridges)


def known_bridges() -> tuple[str, ...]:
    """Every bridge with a latency law."""
    return tuple(dict.fromkeys(route.bridge for route in (*load_routes(), *load_routes(name=MORE))))


@cache
def _known_routes() -> frozenset[Key]:
    return frozenset((route.bridge, route.source, route.destination) for route in defaults(known_bridges()))


def laws(routes: Iterable[Route], observations: Iterable[Observation], now: datetime) -> tuple[Law, ...]:
    """Routes updated by the observations of the last 90 days."""
    seen = _grouped(observations, now)
    return tuple(_law(route, seen.get((route.bridge, route.source, route.destination))) for route in routes)


def _law(route: Route, seen: _Seen | None) -> Law:
    if seen is None:
        return Law(route, route)
    found = update(route.law, np.array(seen.done), np.array(seen.waiting))
    return Law(replace(route, law=found.law), route, found, seen.newest)


def _grouped(observations: Iterable[Observation], now: datetime) -> Mapping[Key, _Seen]:
    grouped: dict[Key, _Seen] = defaultdict(_Seen)
    for item in observations:
        if not timedelta(0) <= now - item.observed_at <= KEPT:
            continue
        seen = grouped[item.bridge, item.source, item.destination]
        if item.latency_s is None:
            # What comes back was as slow as a transfer can be, however young it is.
            seen.waiting.append((KEPT if item.lost else now - item.observed_at).total_seconds())
        else:
            seen.done.append(item.latency_s)
        seen.newest = item.observed_at if seen.newest is None else max(seen.newest, item.observed_at)
    return grouped


def read_observations(path: Path) -> tuple[Observation, ...]:
    """Observations of a CSV file; raises ObservationError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if sorted(rows.fieldnames or ()) != sorted(COLUMNS):
                raise ObservationError(f"{path}: columns must be {', '.join(COLUMNS)}, are {rows.fieldnames}")
            return tuple(_observation(path, number, row) for number, row in enumerate(rows, 2))
    except (OSError, UnicodeDecodeError) as error:
        raise ObservationError(f"{path}: cannot be read: {error}") from None


def _observation(path: Path, number: int, row: Mapping[str, str]) -> Observation:
    try:
        at = datetime.fromisoformat(row["observed_at"])
        latency = float(row["latency_s"]) if row["latency_s"] else None
        source, destination = str(parse_chain(row["source"])), str(parse_chain(row["destination"]))
    except (TypeError, ValueError, InvalidId) as error:
        raise ObservationError(f"{path}: row {number}: {error}") from None
    if row["bridge"] not in known_bridges():
        raise ObservationError(
            f"{path}: row {number}: no bridge {row['bridge']!r}; there are {', '.join(known_bridges())}"
        )
    if source == destination:
        raise ObservationError(f"{path}: row {number}: source and destination are both {source}")
    if (row["bridge"], source, destination) not in _known_routes():
        ends = f"from {source} to {destination}"
        raise ObservationError(f"{path}: row {number}: {row['bridge']} has no latency law {ends}: remove the row")
    if latency is not None and not 0 < latency < np.inf:
        raise ObservationError(
            f"{path}: row {number}: latency_s must be a positive number, was {row['latency_s']}"
        )
    when = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return Observation(when, row["bridge"], source, destination, latency)
