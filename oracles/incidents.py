"""Price incidents as data: what each source said, and what this layer makes of it beside simpler rules.

The file names where each figure comes from; a companion price that no report gives is marked as assumed.
"""

import statistics
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from typing import Any

from oracles.memory import Memory
from oracles.overlays import Backing
from oracles.params import PriceParams, RateCap, load_params
from oracles.reconcile import reconcile
from oracles.types import USD, PriceStatus, Quote, QuoteGap, Quotes, ReconciledPrice

EPOCH = 1_700_000_000
"""Any time will do: only differences matter."""
BASE_SOURCES = ("chainlink", "coinbase", "kraken")


@dataclass(frozen=True, slots=True)
class Expected:
    """What this layer must say at a step."""

    status: PriceStatus
    mid: tuple[Decimal, Decimal] | None
    """Within these; None: no figure."""
    note: str = ""
    """Words that must stand in a note or the reason."""


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of an incident."""

    label: str
    at_s: int
    quotes: Quotes
    assumed: frozenset[str]
    """Sources whose figure is assumed."""
    backing: Backing | None
    expected: Expected


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident."""

    name: str
    date: str
    title: str
    origin: str
    price_key: str
    price_class: str
    feed: str
    """The single source that a naive reader would have trusted."""
    lesson: str
    steps: tuple[Step, ...]
    cap: RateCap | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made of one step."""

    step: Step
    price: ReconciledPrice
    said: tuple[tuple[str, Decimal], ...]
    """Source and its price in dollars, as it came."""
    median: Decimal | None
    """Of everything that was said, stale or not."""
    mean: Decimal | None
    feed: Decimal | None


def load_incidents() -> tuple[Incident, ...]:
    """All incidents in order of time."""
    content = tomllib.loads((files("oracles") / "incidents_v1.toml").read_text(encoding="utf-8"))
    return tuple(_incident(item) for item in content["incident"])


def replay(incident: Incident, params: PriceParams | None = None) -> tuple[Outcome, ...]:
    """Every step through the shipped parameters, remembering from step to step."""
    shipped = load_params() if params is None else params
    used = replace(
        shipped,
        class_of_key={**shipped.class_of_key, incident.price_key: incident.price_class},
        caps={} if incident.cap is None else {incident.price_key: incident.cap},
    )
    memory, outcomes = Memory(), []
    for step in incident.steps:
        backings = [step.backing] if step.backing else []
        book = reconcile(step.quotes, EPOCH + step.at_s, used, memory, backings)
        memory = book.memory or memory
        outcomes.append(_outcome(incident, step, book[incident.price_key], book))
    return tuple(outcomes)


def _outcome(
    incident: Incident, step: Step, price: ReconciledPrice, book: Mapping[str, ReconciledPrice]
) -> Outcome:
    said = tuple(
        (quote.source, quote.price * (Decimal(1) if quote.in_key == USD else book[quote.in_key].mid or Decimal(0)))
        for quote in step.quotes.found
        if quote.price_key == incident.price_key
    )
    prices = [value for _, value in said]
    return Outcome(
        step,
        price,
        said,
        median=statistics.median(prices) if prices else None,
        mean=statistics.mean(prices) if prices else None,
        feed=dict(said).get(incident.feed),
    )


def _incident(item: Mapping[str, Any]) -> Incident:
    key = item["key"]
    cap = item.get("cap")
    return Incident(
        name=item["name"],
        date=item["date"],
        title=item["title"],
        origin=item["origin"],
        price_key=key,
        price_class=item["class"],
        feed=item["feed"],
        lesson=item["lesson"],
        steps=tuple(_step(key, step) for step in item["step"]),
        cap=None
        if cap is None
        else RateCap(cap["base"], Decimal(cap["ratio"]), EPOCH - cap["age_s"], cap["growth_bps"]),
    )


def _step(key: str, item: Mapping[str, Any]) -> Step:
    at_s = int(item.get("t", 0))
    found = [_quote(key, entry, EPOCH + at_s) for entry in item.get("quotes", [])]
    for base, price in item.get("base", {}).items():
        found += [_quote(base, {"s": source, "p": price}, EPOCH + at_s) for source in BASE_SOURCES]
    gaps = [QuoteGap(key, gap["s"], _group(gap), gap["why"], gap["detail"]) for gap in item.get("gaps", [])]
    held = item.get("backing")
    return Step(
        label=item["label"],
        at_s=at_s,
        quotes=Quotes(tuple(found), tuple(gaps)),
        assumed=frozenset(entry["s"] for entry in item.get("quotes", []) if entry.get("assumed")),
        backing=None if held is None else Backing(key, Decimal(held["escrow"]), Decimal(held["supply"])),
        expected=_expected(item["expect"]),
    )


def _expected(item: Mapping[str, Any]) -> Expected:
    mid: Sequence[str] | None = item.get("mid")
    span = None if mid is None else (Decimal(mid[0]), Decimal(mid[1]))
    return Expected(PriceStatus(item["status"]), span, item.get("note", ""))


def _quote(key: str, entry: Mapping[str, Any], now_s: int) -> Quote:
    price = Decimal(entry["p"])
    observed = now_s - int(entry.get("age", 0))
    width = Decimal(entry["h"]) if "h" in entry else abs(price) * int(entry.get("w", 5)) / 10_000
    return Quote(
        price_key=key,
        source=entry["s"],
        group=_group(entry),
        price=price,
        half_width=width,
        observed_at=observed,
        received_at=float(now_s),
        valid_until=observed + int(entry["limit"]) if "limit" in entry else None,
        in_key=entry.get("in", USD),
        timed=not entry.get("untimed", False),
        anchor=entry.get("anchor", False),
        votes=not entry.get("fact", False),
    )


def _group(entry: Mapping[str, Any]) -> str:
    """The group, by default the source's name up to a colon or at sign."""
    return str(entry.get("g") or str(entry["s"]).partition("@")[0].partition(":")[0])
