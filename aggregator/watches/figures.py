"""Published figures as readings: an interval, nothing, or not known. What is not known is never a number.

A reading whose ends are both known may still be wide: ``ttl_exceeds_s`` says "longer than", and a threshold beyond
it cannot be judged.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from aggregator.report import MarginReport, PositionLine, VenueLine
from chains.types import ChainStatus
from oracles.types import PriceStatus
from risk.status import Status

NEVER = Decimal("Infinity")
"""Of a time or a ratio: nothing is required, or no time is long enough."""


class Reading(NamedTuple):
    """What a report says of a figure: between ``low`` and ``high``; None: not known."""

    low: Decimal | None
    high: Decimal | None
    why: str = ""
    """Where it is not known: the reason."""


Readings = Iterator[tuple[str, Reading]]
"""By subject: empty for the portfolio, else a venue account, a chain or an asset."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that can be watched."""

    read: Callable[[MarginReport], Readings]
    words: str
    scale: Mapping[str, int] | None = None
    """Names of values, where these are no numbers."""

    def number(self, text: str) -> Decimal:
        """A threshold as a number; raises ValueError that says what is expected."""
        if self.scale is not None:
            if text in self.scale:
                return Decimal(self.scale[text])
            raise ValueError(f"expected one of {', '.join(self.scale)}, was {text[:40]!r}")
        try:
            value = Decimal(text)
        except ArithmeticError:
            raise ValueError(f"expected a number, was {text[:40]!r}") from None
        if not value.is_finite():
            raise ValueError(f"expected a finite number, was {text[:40]!r}")
        return value

    def text(self, value: Decimal) -> str:
        """A value in words."""
        if self.scale is not None:
            return next((name for name, number in self.scale.items() if number == value), str(value))
        return "without limit" if value == NEVER else format(value.normalize(), "f")


def exact(value: Decimal | int | None, why: str = "") -> Reading:
    """A figure that is known to the digit, or not known at all."""
    if value is None:
        return Reading(None, None, why or "the report does not know it")
    return Reading(Decimal(value), Decimal(value))


def because(report: MarginReport) -> str:
    """First gap of a report."""
    gaps = report.data_quality.degraded
    return f"{gaps[0].what}: {gaps[0].reason}" if gaps else "the report does not know it"


def _total(name: str, report: MarginReport) -> Readings:
    yield "", exact(getattr(report, name), because(report))


def _status(report: MarginReport) -> Readings:
    known = report.status is not Status.UNKNOWN
    yield "", exact(report.status.severity if known else None, report.status_reason)


def _ratio(report: MarginReport) -> Readings:
    """Without a requirement there is no ratio and nothing to fear."""
    none = report.margin_ratio is None and report.mm_requirement_usd == 0
    yield "", exact(NEVER if none else report.margin_ratio, because(report))


def _gaps(report: MarginReport) -> Readings:
    yield "", exact(0 if report.data_quality.complete else max(1, len(report.data_quality.degraded)))


def _staleness(report: MarginReport) -> Readings:
    yield "", exact(report.data_quality.staleness_s, because(report))


def _skew(report: MarginReport) -> Readings:
    yield "", exact(report.as_of.max_skew_s)


def _present(_: MarginReport) -> Readings:
    """There is a report: the timer gives the other answer."""
    yield "", exact(0)


def subject_of(line: VenueLine) -> str:
    """Id of a venue account, as ``binding_account`` writes it."""
    return f"{line.account}/{line.venue}" + (f"/{line.sub_account}" if line.sub_account else "")


def _venue(read: Callable[[VenueLine], Reading], report: MarginReport) -> Readings:
    for line in report.venues:
        yield subject_of(line), read(line)


def _plain(name: str, line: VenueLine) -> Reading:
    return exact(getattr(line, name), line.reason)


def _required(name: str, at_ease: Decimal, line: VenueLine) -> Reading:
    """A figure that exists only where something is required; elsewhere nothing can happen."""
    if line.mm_requirement_usd == 0:
        return exact(at_ease)
    return exact(getattr(line, name), line.reason)


def _ttl(line: VenueLine) -> Reading:
    """``ttl_s`` is None both where it is not known and where it is long: only the other field tells."""
    if line.mm_requirement_usd == 0:
        return exact(NEVER)
    if line.ttl_s is None and line.ttl_exceeds_s is not None:
        return Reading(
            line.ttl_exceeds_s.next_plus(), NEVER, f"longer than {line.ttl_exceeds_s} s, how long is open"
        )
    return exact(line.ttl_s, line.reason)


def _ttf(line: VenueLine) -> Reading:
    if line.mm_requirement_usd == 0:
        return exact(0)
    return exact(NEVER if line.ttf_reachable is False else line.ttf_s, line.reason)


def _distance(line: VenueLine) -> Reading:
    """The smallest move that liquidates, in per cent, whichever way; no move: never."""
    if line.mm_requirement_usd is None or (line.mm_requirement_usd and not line.distance_to_liquidation):
        return exact(None, line.reason)
    return exact(min((abs(d) for d in line.distance_to_liquidation.values() if d is not None), default=NEVER))


def _breach(hours: str, line: VenueLine) -> Reading:
    if line.mm_requirement_usd == 0:
        return exact(0)
    return exact(line.breach_probability.get(hours), line.reason)


def _model_error(report: MarginReport) -> Readings:
    """Only of accounts whose venue has a figure of its own to compare with."""
    for line in report.venues:
        if line.own_checks:
            yield subject_of(line), exact(line.model_vs_venue_rel_error, line.reason)


def _chain_lag(report: MarginReport) -> Readings:
    """Age of the block of every chain that the portfolio is on, by the clock of the cycle."""
    now = int(report.as_of.time.timestamp())
    for chain, condition in report.as_of.chains.items():
        block = report.as_of.blocks.get(chain)
        why = condition.reason or "no block was read"
        yield chain, exact(None if block is None else max(0, now - block.timestamp), why)


def _chain_status(report: MarginReport) -> Readings:
    for chain, condition in report.as_of.chains.items():
        yield chain, exact(CHAIN_SCALE.get(condition.status), condition.reason)


def _priced(read: Callable[[PositionLine], Reading], report: MarginReport) -> Readings:
    """Each asset once, the worst of its legs."""
    found: dict[str, Reading] = {}
    for line in report.positions:
        reading, before = read(line), found.get(line.asset)
        if before is None or (before.high is not None and (reading.high is None or reading.high > before.high)):
            found[line.asset] = reading
    yield from found.items()


def _price_status(line: PositionLine) -> Reading:
    return exact(PRICE_SCALE.get(line.price.status), f"{line.label}: price state {line.price.status}")


def _price_width(line: PositionLine) -> Reading:
    low, mid, high = line.price.low, line.price.mid, line.price.high
    if low is None or high is None or not mid:
        return exact(None, f"{line.label}: no price, {line.price.status}")
    return exact(round(10_000 * (high - low) / mid, 2))


STATUS_SCALE = {status.value: status.severity for status in Status if status is not Status.UNKNOWN}
CHAIN_SCALE = {status.value: rank for rank, status in enumerate((
    ChainStatus.OK, ChainStatus.SEQUENCER_RECOVERING, ChainStatus.STALLED, ChainStatus.SEQUENCER_DOWN,
    ChainStatus.UNREACHABLE,
))}  # fmt: skip
PRICE_SCALE = {status.value: rank for rank, status in enumerate(PriceStatus)} | {"UNREGISTERED": len(PriceStatus)}

_TOTALS = {
    "mm_excess_usd": "margin excess", "surplus_usd": "surplus", "net_value_usd": "net value",
    "equity_usd": "equity", "venue_maintenance_usd": "venues' requirement", "unified_buffer_usd": "unified buffer",
    "bridge_latency_addon_usd": "latency add-on", "mm_requirement_usd": "maintenance requirement",
    "im_requirement_usd": "initial requirement",
}  # fmt: skip
_LINES = {
    "equity_usd": "equity", "mm_requirement_usd": "requirement", "surplus_usd": "surplus",
    "net_value_usd": "net value", "movable_usd": "movable value", "withdrawable_usd": "withdrawable value",
}  # fmt: skip


def _lines() -> dict[str, Figure]:
    reads: dict[str, tuple[Callable[[VenueLine], Reading], str]] = {
        "health": (partial(_required, "health", NEVER), "health"),
        "ttl_s": (_ttl, "time to liquidation (s)"),
        "ttf_s": (_ttf, "time to fund (s)"),
        "liquidity_coverage": (partial(_required, "liquidity_coverage", NEVER), "liquidity coverage"),
        "rescue_probability": (partial(_required, "rescue_probability", Decimal(1)), "rescue probability"),
        "rescue_gap_usd": (partial(_required, "rescue_gap_usd", Decimal(0)), "rescue gap"),
        "distance_pct": (_distance, "distance to liquidation (%)"),
        "breach_probability_1h": (partial(_breach, "1h"), "breach probability within 1 h"),
        "breach_probability_24h": (partial(_breach, "24h"), "breach probability within 24 h"),
    }
    reads |= {name: (partial(_plain, name), words) for name, words in _LINES.items()}
    found = {f"venue.{name}": Figure(partial(_venue, read), words) for name, (read, words) in reads.items()}
    return found | {"venue.model_vs_venue_rel_error": Figure(_model_error, "model error against the venue")}


FIGURES: Mapping[str, Figure] = {
    "status": Figure(_status, "status", STATUS_SCALE),
    "margin_ratio": Figure(_ratio, "margin ratio"),
    **{name: Figure(partial(_total, name), words) for name, words in _TOTALS.items()},
    **_lines(),
    "chain.lag_s": Figure(_chain_lag, "age of the block read (s)"),
    "chain.status": Figure(_chain_status, "condition", CHAIN_SCALE),
    "price.status": Figure(partial(_priced, _price_status), "price state", PRICE_SCALE),
    "price.width_bps": Figure(partial(_priced, _price_width), "width of the price (bps)"),
    "data.gaps": Figure(_gaps, "gaps in the data"),
    "data.staleness_s": Figure(_staleness, "age of the oldest input (s)"),
    "data.max_skew_s": Figure(_skew, "time between the chains' blocks (s)"),
    "report.age_s": Figure(_present, "age of the newest report (s)"),
}
