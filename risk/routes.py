"""Directed routes between chains and the default latency laws that ship in ``data/routes_v1.toml``.

Capacity, fee and law of a route are values: live figures replace them with ``dataclasses.replace``. An outage is
not a property of a route but an argument of ``risk.mobility.mobility``, so it acts in the same cycle.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from risk.errors import ParameterError, RiskInputError
from risk.latency import LatencyLaw, Lognormal
from risk.scanlaw import DAY_S

ROW = ("source", "destination", "q1_s", "median_s", "q3_s", "mark")
MARKS = ("M", "m", "D", "A")


@dataclass(frozen=True, slots=True)
class Route:
    """One bridge from one chain to another; chains are CAIP-2 ids."""

    source: str
    destination: str
    bridge: str
    law: LatencyLaw
    fee_bps: float
    capacity_usd: float
    """What the route takes at once."""
    mark: str = "A"
    """M measured, m measured on a kindred pair, D documented, A assumption."""

    def __post_init__(self) -> None:
        """Bounds."""
        if self.source == self.destination:
            raise RiskInputError(f"Route: source and destination are both {self.source}")
        if not 0 <= self.fee_bps < 10_000:
            raise RiskInputError(f"Route.fee_bps: must be in [0, 10000), was {self.fee_bps}")
        if not (np.isfinite(self.capacity_usd) and self.capacity_usd >= 0):
            raise RiskInputError(f"Route.capacity_usd: must be finite and >= 0, was {self.capacity_usd}")

    def net_of_fee(self, amount_usd: float) -> float:
        """What arrives of an amount sent."""
        return amount_usd * (1.0 - self.fee_bps / 10_000.0)


def load_routes(horizon_s: float = DAY_S, name: str = "routes_v1.toml") -> tuple[Route, ...]:
    """Routes that ship with the package; outage and pause weights for a horizon."""
    return parse_routes(resources.files("risk").joinpath("data", name).read_text(encoding="utf-8"), horizon_s)


def parse_routes(text: str, horizon_s: float = DAY_S) -> tuple[Route, ...]:
    """Read the file's format; raises ParameterError that names the bridge and the row."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"routes: not TOML: {error}") from None
    missing = [name for name in ("bridges", "chains") if not isinstance(content.get(name), dict)]
    if missing:
        raise ParameterError(f"{missing[0]}: no such table; the file needs [chains] and [bridges.NAME]")
    found: list[Route] = []
    for bridge, table in content["bridges"].items():
        if not isinstance(table, dict) or not isinstance(table.get("routes"), list):
            raise ParameterError(f"bridges.{bridge}.routes: give a list of rows {ROW}")
        for number, row in enumerate(table["routes"]):
            try:
                found.append(_route(bridge, table, row, content, horizon_s))
            except KeyError as error:
                raise ParameterError(f"bridges.{bridge}.{error.args[0]}: missing; every bridge gives it") from None
            except (TypeError, ValueError) as error:
                raise ParameterError(f"bridges.{bridge}.routes[{number}] = {row}: {error}") from error
    return tuple(found)


def _route(bridge: str, table: Mapping[str, Any], row: Any, content: Mapping[str, Any], horizon_s: float) -> Route:
    if not isinstance(row, list) or len(row) != len(ROW) or row[-1] not in MARKS:
        raise RiskInputError(f"a row is {ROW} with one of the marks {', '.join(MARKS)}")
    source, destination, q1_s, median_s, q3_s, mark = row
    chains = content["chains"]
    if strange := [name for name in (source, destination) if name not in chains]:
        raise RiskInputError(f"{strange[0]!r} is not in [chains], which has {', '.join(chains)}: add it there")
    challenge = table.get("challenge_s", {})
    law = LatencyLaw(
        body=Lognormal.from_quartiles(q1_s, median_s, q3_s),
        slow_weight=_float(table, "slow_weight"),
        slow=Lognormal(_float(table, "slow_median_s"), _float(table, "slow_log_sd")),
        outages_per_year=2.0 * _float(content, "outages_per_chain_year"),
        pauses_per_year=_float(content, "pauses_per_year"),
        pause_s=_float(content, "pause_s"),
        challenge_s=_float(challenge, source) if source in challenge else 0.0,
        horizon_s=horizon_s,
    )
    capacity_usd = _float(table, "capacity_usd")
    if not capacity_usd > 0:
        raise RiskInputError(f"capacity_usd: must be above 0, was {capacity_usd}; leave the bridge out")
    if not np.isfinite(law.quantile(0.5)):
        raise RiskInputError("no finite quantile: more than half of all transfers would never arrive")
    return Route(chains[source], chains[destination], bridge, law, _float(table, "fee_bps"), capacity_usd, mark)


def _float(table: Mapping[str, Any], name: str) -> float:
    """A number of the file; whole ones too become doubles, so that equal laws look equal."""
    value = table[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RiskInputError(f"{name}: must be a number, was {value!r}")
    return float(value)
