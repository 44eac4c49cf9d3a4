"""What is laid over an agreed price: leaps held back, rises capped, pegs named, staked tokens and bridged forms.

Pure. None of these ever raises a low end or gives a figure where the sources gave none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from oracles.memory import PriceMemory
from oracles.params import GateParams, PriceClass, RateCap
from oracles.types import PriceStatus, ReconciledPrice

BPS = Decimal(10_000)
RISE_WINDOW_S = 300
FULL_BACKING = Decimal("0.9999")
"""Escrow over supply from which a bridged token counts as backed: messages in flight make up the rest."""


@dataclass(frozen=True, slots=True)
class Backing:
    """What stands behind a bridged token: the escrow on its home chain against the supply elsewhere."""

    price_key: str
    escrow: Decimal | None
    """Whole units; None: not known."""
    supply: Decimal | None
    detail: str = ""

    @property
    def ratio(self) -> Decimal | None:
        """Share of the supply that is backed, at most 1; None where not known."""
        if self.escrow is None or self.supply is None:
            return None
        return min(Decimal(1), self.escrow / self.supply) if self.supply > 0 else Decimal(1)


def held_leap(
    price: ReconciledPrice, before: PriceMemory | None, now_s: float, gate: GateParams
) -> tuple[ReconciledPrice, PriceMemory | None]:
    """The price, or QUARANTINED while a leap by orders of magnitude has not held for the time of confirmation.

    A unit mistake that reaches a quorum looks like this; so does a collapse, which is believed a minute later.
    """
    if price.mid is None or before is None or now_s - before.at_s > gate.leap_window_s:
        return price, before
    factor = Decimal(gate.leap_factor)
    if before.mid / factor < price.mid < before.mid * factor:
        return price, before
    steady = before.leapt_to is not None and before.leapt_to / 2 < price.mid < before.leapt_to * 2
    since = before.leapt_at if steady else now_s
    if steady and now_s - since >= gate.confirm_s:
        return price, before
    reason = (
        f"{price.reason}, but {price.mid:.8g} is {price.mid / before.mid:.3g} times the last price; "
        f"believed once it has held for {gate.confirm_s} s ({now_s - since:.0f} s so far)"
    )
    after = replace(before, leapt_to=price.mid, leapt_at=since)
    return withheld(price, PriceStatus.QUARANTINED, reason), after


def withheld(price: ReconciledPrice, status: PriceStatus, reason: str) -> ReconciledPrice:
    """The same evidence without a figure."""
    return replace(
        price, status=status, reason=reason, low=None, mid=None, high=None, observed_at=None, contributors=()
    )


def rise_capped(
    price: ReconciledPrice, before: PriceMemory | None, now_s: float, kind: PriceClass
) -> tuple[ReconciledPrice, Decimal]:
    """Low and mid no more above the last than the cap allows; the high end stays, for what is owed."""
    if price.low is None or price.mid is None:
        raise ValueError(f"{price.price_key}: only an agreed price can be capped")
    if not kind.rise_cap_bps or before is None or price.mid <= before.capped:
        return price, price.mid
    windows = max(0.0, now_s - before.at_s) / RISE_WINDOW_S
    growth = min((1 + kind.rise_cap_bps / 10_000) ** min(windows, 1000.0), 1e12)
    ceiling = before.capped * Decimal(f"{growth:.12g}")
    if price.mid <= ceiling:
        return price, price.mid
    note = (
        f"rise capped: {price.mid:.6g} counts as {ceiling:.6g}, at most {kind.rise_cap_bps / 100:g} % "
        f"in {RISE_WINDOW_S} s"
    )
    capped = replace(
        price, status=PriceStatus.DEGRADED, reason=f"{price.reason}; {note}", notes=(*price.notes, note),
        low=min(price.low, ceiling), mid=ceiling,
    )  # fmt: skip
    return capped, ceiling


def off_peg(price: ReconciledPrice, kind: PriceClass) -> ReconciledPrice:
    """A note where a pegged price is off one dollar; the price itself is what the sources say."""
    if price.mid is None or not kind.peg_bps or abs(price.mid - 1) * BPS < kind.peg_bps:
        return price
    note = f"off its peg: {price.mid:.6f} is {(price.mid - 1) * BPS:+.0f} bps from one dollar; not clamped"
    return replace(price, notes=(*price.notes, note))


def rate_ceiling(
    price: ReconciledPrice, cap: RateCap | None, prices: Mapping[str, ReconciledPrice], now_s: float
) -> ReconciledPrice:
    """Ceiling for borrowing power of a staked token: its capped rate times the base's low end."""
    if cap is None or price.mid is None:
        return price
    base = prices.get(cap.base)
    if base is None or base.low is None:
        return replace(price, notes=(*price.notes, f"no ceiling: {cap.base} has no price"))
    ceiling = cap.ratio(now_s) * base.low
    if price.low is not None and price.low <= ceiling:
        return replace(price, ceiling=ceiling)
    note = f"worth {price.mid:.6g}, but borrowed against as {ceiling:.6g}: its rate grew faster than its cap"
    return replace(price, ceiling=ceiling, notes=(*price.notes, note))


def backed(price: ReconciledPrice, backing: Backing | None) -> ReconciledPrice:
    """The low end times the share that the escrow backs; without knowledge of the escrow a note says so."""
    if backing is None or price.low is None or price.mid is None:
        return price
    ratio = backing.ratio
    if ratio is None:
        note = f"backing not known: {backing.detail}"
        return replace(
            price, status=PriceStatus.DEGRADED, reason=f"{price.reason}; {note}", notes=(*price.notes, note)
        )
    if ratio >= FULL_BACKING:
        return price
    note = f"backing short: escrow {backing.escrow:f} for a supply of {backing.supply:f} ({ratio * 100:.2f} %)"
    return replace(
        price, status=PriceStatus.DEGRADED, reason=f"{price.reason}; {note}", notes=(*price.notes, note),
        low=price.low * ratio, mid=price.mid * ratio,
    )  # fmt: skip
