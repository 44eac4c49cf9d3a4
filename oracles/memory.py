"""What reconciliation remembers from one round to the next: a value that goes in and comes out, never a state.

Per source: the newest quote, so that its time never runs backwards, and since when it repeats one value. Per
group: whether it was outside the gate, and how often it left it. Per price: the last one agreed on, against leaps
and for the rise cap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from oracles.params import GateParams, PriceParams
from oracles.types import Dissent, Quote

BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """The newest quote of a source, and since when it says the same."""

    quote: Quote
    since_s: float
    mid_then: Decimal | None
    """The agreed price when it began to say so; None where there was none."""


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """How a group behaved at the gate."""

    outside: bool = False
    strikes: tuple[float, ...] = ()
    """Times at which it went out, within the window."""
    held_until: float | None = None
    """It has no vote before that."""


@dataclass(frozen=True, slots=True)
class PriceMemory:
    """The last price that was given out."""

    mid: Decimal
    at_s: float
    capped: Decimal
    """What it counted for as collateral after the rise cap."""
    leapt_to: Decimal | None = None
    leapt_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything remembered; empty at the start."""

    sources: Mapping[tuple[str, str, str], SourceMemory] = field(default_factory=dict)
    """By price key, source and what it is priced in."""
    groups: Mapping[tuple[str, str], GroupMemory] = field(default_factory=dict)
    """By price key and group."""
    prices: Mapping[str, PriceMemory] = field(default_factory=dict)

    def group(self, price_key: str, group: str) -> GroupMemory:
        """Memory of a group, blank where there is none."""
        return self.groups.get((price_key, group), GroupMemory())

    def mid(self, price_key: str) -> Decimal | None:
        """The last price agreed on."""
        found = self.prices.get(price_key)
        return None if found is None else found.mid


def identity(quote: Quote) -> tuple[str, str, str]:
    """What makes two quotes the same series."""
    return quote.price_key, quote.source, quote.in_key


def believable(quote: Quote, now_s: float, max_ahead_s: int) -> bool:
    """Whether a quote may be remembered: one with a broken price or time would shut out the good ones after it."""
    return quote.price.is_finite() and quote.price > 0 and quote.observed_at <= now_s + max_ahead_s


def forward(
    found: Sequence[Quote], memory: Memory, now_s: float, params: PriceParams
) -> tuple[list[Quote], list[tuple[str, Dissent]]]:
    """Quotes with each series moving forward in time only, and what was refused, by price key.

    A quote that is older than one already seen is replaced by that one. A repeating or silent source is left out.
    """
    kept: list[Quote] = []
    refused: list[tuple[str, Dissent]] = []
    for quote in found:
        chosen, dissent = quote, None
        seen = memory.sources.get(identity(quote))
        if seen is not None and quote.observed_at < seen.quote.observed_at:
            back_s = seen.quote.observed_at - quote.observed_at
            detail = f"observed {back_s} s before the one already seen, which stands"
            refused.append(
                (quote.price_key, Dissent(quote.source, quote.group, "backwards", detail, _shown(quote)))
            )
            chosen = seen.quote
        if quote.votes:
            dissent = _silent(chosen, now_s, params.gate) or _repeated(chosen, seen, memory, now_s, params)
        if dissent is None:
            kept.append(chosen)
        else:
            refused.append((quote.price_key, dissent))
    return kept, refused


def _silent(quote: Quote, now_s: float, gate: GateParams) -> Dissent | None:
    """A streaming source whose connection shows no life; its last value only looks fresh."""
    if quote.alive_at is None or now_s - quote.alive_at <= gate.max_silence_s:
        return None
    detail = f"no sign of life for {now_s - quote.alive_at:.0f} s, limit {gate.max_silence_s} s"
    return Dissent(quote.source, quote.group, "silent", detail, _shown(quote))


def _repeated(
    quote: Quote, seen: SourceMemory | None, memory: Memory, now_s: float, params: PriceParams
) -> Dissent | None:
    """One value for long while the agreed price moved away from it, by more than its bound and half the band.

    A value that is the agreed price now was ahead of it when it began, as after a leap that all made at once.
    """
    if seen is None or seen.quote.price != quote.price or now_s - seen.since_s < params.gate.repeat_s:
        return None
    mid = memory.mid(quote.price_key)
    if mid is None or seen.mid_then is None or not quote.price:
        return None
    moved = abs(mid / seen.mid_then - 1)
    allowed = quote.half_width / quote.price + Decimal(params.class_of(quote.price_key).band_bps) / BPS / 2
    if moved <= allowed or abs(quote.price / mid - 1) <= allowed:
        return None
    detail = f"the same value for {now_s - seen.since_s:.0f} s while the price moved {moved * BPS:.0f} bps"
    return Dissent(quote.source, quote.group, "repeated", detail, _shown(quote))


def held(quote: Quote, memory: Memory, now_s: float) -> Dissent | None:
    """Why a group has no vote for a while, None where it has one."""
    known = memory.group(quote.price_key, quote.group)
    if known.held_until is None or now_s >= known.held_until:
        return None
    detail = f"was off {len(known.strikes)} times, held back for another {known.held_until - now_s:.0f} s"
    return Dissent(quote.source, quote.group, "quarantined", detail, _shown(quote))


def sources_after(
    found: Iterable[Quote], memory: Memory, now_s: float, max_ahead_s: int
) -> dict[tuple[str, str, str], SourceMemory]:
    """Memory of the sources after a round."""
    after = dict(memory.sources)
    for quote in found:
        if not believable(quote, now_s, max_ahead_s):
            continue
        seen = after.get(identity(quote))
        if seen is not None and seen.quote.observed_at > quote.observed_at:
            continue
        if seen is not None and seen.quote.price == quote.price:
            then = memory.mid(quote.price_key) if seen.mid_then is None else seen.mid_then
            after[identity(quote)] = SourceMemory(quote, seen.since_s, then)
        else:
            after[identity(quote)] = SourceMemory(quote, now_s, memory.mid(quote.price_key))
    return after


def group_after(
    before: GroupMemory, outside: bool, now_s: float, gate: GateParams, *, anchor: bool
) -> GroupMemory:
    """Memory of a group after a round in which it voted. An anchor that lags takes no strike."""
    strikes = tuple(at for at in before.strikes if now_s - at <= gate.strike_window_s)
    if outside and not before.outside and not anchor:
        strikes += (now_s,)
    until = now_s + gate.quarantine_s if outside and len(strikes) >= gate.strikes else None
    return GroupMemory(outside, strikes, until)


def _shown(quote: Quote) -> Decimal | None:
    return quote.price if quote.price.is_finite() else None
