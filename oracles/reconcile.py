"""Many sources, one price with an interval: pure, deterministic, with a reason for everything left out.

Steps for each price key: reject what cannot be a price or is too old; widen what has outlived its own bound; one
vote per independence group; quorum; agreement with the median; centre and interval of those that agree. Two
disagreeing sources are never averaged, and without a quorum there is no figure at all.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from oracles.params import PriceClass, PriceParams
from oracles.types import (
    Dissent,
    PriceBook,
    PriceStatus,
    Quote,
    QuoteGap,
    Quotes,
    ReconciledPrice,
    Vote,
)
from oracles.votes import decimal_quartiles, median_interval

BPS = Decimal(10_000)
DAY_S = Decimal(86_400)
MAX_EXPONENT = 30
"""Decimal exponents beyond that are a wrong scale, not a price."""


@dataclass(frozen=True, slots=True)
class _Agreement:
    """The median of all votes and who is with it."""

    centre: Decimal
    agreeing: tuple[Vote, ...]
    outside: tuple[Vote, ...]


def reconcile(quotes: Quotes, now_s: float, params: PriceParams) -> PriceBook:
    """One ``ReconciledPrice`` for every key that occurs among quotes or gaps.

    ``now_s`` is the time of the cycle in unix seconds; the order of quotes and gaps has no influence.
    """
    by_key: dict[str, tuple[list[Quote], list[QuoteGap]]] = defaultdict(lambda: ([], []))
    for quote in quotes.found:
        by_key[quote.price_key][0].append(quote)
    for gap in quotes.gaps:
        by_key[gap.price_key][1].append(gap)
    return PriceBook(
        {key: _reconcile_one(key, *by_key[key], now_s, params) for key in sorted(by_key)}, params.version
    )


def _reconcile_one(
    key: str, found: Sequence[Quote], gaps: Sequence[QuoteGap], now_s: float, params: PriceParams
) -> ReconciledPrice:
    kind = params.class_of(key)
    usable: list[Quote] = []
    left_out = [Dissent(gap.source, gap.group, gap.reason, gap.detail) for gap in gaps]
    for quote in found:
        problem = _invalid(quote)
        widened = _widened(quote, now_s, kind) if problem is None else quote
        fault = ("invalid", problem) if problem else _fault(widened, now_s, kind, params.max_ahead_s)
        if fault is None:
            usable.append(widened)
        else:
            left_out.append(Dissent(quote.source, quote.group, *fault, price=_finite(quote.price)))
    votes, outvoted = _collapse(usable, kind)
    left_out += outvoted
    missing = sorted({d.group for d in left_out} - {vote.group for vote in votes})
    if len(votes) < kind.quorum:
        return _too_few(key, votes, missing, left_out, kind)
    return _decide(key, votes, missing, left_out, kind, params)


def _widened(quote: Quote, now_s: float, kind: PriceClass) -> Quote:
    """The quote with the drift of the market since its own bound ended, and never tighter than the floor."""
    holds_until = quote.observed_at if quote.holds_until is None else quote.holds_until
    outlived_s = max(0, int(now_s) - holds_until)
    drift = Decimal(kind.drift_bps_per_sqrt_day) / BPS * (outlived_s / DAY_S).sqrt()
    width = quote.half_width + quote.price * drift
    return replace(quote, half_width=max(width, quote.price * kind.floor_bps / BPS))


def _invalid(quote: Quote) -> str | None:
    """Why the source's own figures cannot be a price."""
    if not quote.price.is_finite() or quote.price <= 0:
        return f"price is {quote.price}, expected a positive number"
    if abs(quote.price.adjusted()) > MAX_EXPONENT:
        return f"price has the magnitude 1e{quote.price.adjusted()}"
    if not quote.half_width.is_finite() or quote.half_width < 0 or quote.half_width > quote.price:
        return f"half width is {quote.half_width}, expected 0 up to the price"
    return None


def _fault(quote: Quote, now_s: float, kind: PriceClass, max_ahead_s: int) -> tuple[str, str] | None:
    """Reason code and detail for which a quote, widened, is not counted."""
    ahead_s = quote.observed_at - now_s
    if ahead_s > max_ahead_s:
        return "future", f"observed {ahead_s:.0f} s from now, limit {max_ahead_s} s"
    limit = quote.observed_at + kind.max_age_s if quote.valid_until is None else quote.valid_until
    if now_s > limit:
        return "stale", f"{-ahead_s:.0f} s old, limit {limit - quote.observed_at} s"
    width_bps = quote.half_width / quote.price * BPS
    if width_bps > kind.max_width_bps:
        return "too_wide", f"half width {width_bps:.0f} bps, limit {kind.max_width_bps} bps"
    return None


def _collapse(usable: Sequence[Quote], kind: PriceClass) -> tuple[list[Vote], list[Dissent]]:
    """One vote per group: its most central member, the freshest of equally central ones; never an average."""
    groups: dict[str, list[Quote]] = defaultdict(list)
    for quote in usable:
        groups[quote.group].append(quote)
    votes, outvoted = [], []
    for name in sorted(groups):
        members = sorted(groups[name], key=lambda q: (q.price, -q.observed_at, q.source))
        chosen = min(members, key=lambda q: (_distance(q, members), -q.observed_at, q.source))
        votes.append(Vote(name, chosen.source, chosen.price, chosen.half_width, chosen.observed_at))
        for quote in members:
            if not _near(quote.price, quote.half_width, chosen.price, kind):
                detail = f"{_off(quote.price, chosen.price)} off {chosen.source}, band {kind.band_bps} bps"
                outvoted.append(Dissent(quote.source, name, "outside_group", detail, quote.price))
    return votes, outvoted


def _distance(quote: Quote, members: Sequence[Quote]) -> Decimal:
    """Sum of the distances to all members: least for the most central one."""
    return sum((abs(quote.price - member.price) for member in members), Decimal(0))


def _too_few(
    key: str, votes: Sequence[Vote], missing: Sequence[str], left_out: Sequence[Dissent], kind: PriceClass
) -> ReconciledPrice:
    stale = {d.group for d in left_out if d.reason == "stale"} & set(missing)
    only_age = len(votes) + len(stale) >= kind.quorum or (not votes and stale == set(missing))
    status = PriceStatus.STALE if stale and only_age else PriceStatus.INSUFFICIENT
    present = ", ".join(vote.group for vote in votes) or "none"
    reason = f"{len(votes)} of {kind.quorum} groups have a vote ({present})"
    for group in missing:
        why = min((d for d in left_out if d.group == group), key=lambda d: (d.reason != "stale", *_rank(d)))
        reason += f"; {why.source}: {why.reason}, {why.detail}"
    return ReconciledPrice(key, status, reason, dissenters=_ordered(left_out))


def _decide(
    key: str,
    votes: Sequence[Vote],
    missing: Sequence[str],
    left_out: Sequence[Dissent],
    kind: PriceClass,
    params: PriceParams,
) -> ReconciledPrice:
    found = _agreement(votes, kind)
    outside = [_outside(vote, found.centre, kind) for vote in found.outside]
    dissenters = _ordered([*left_out, *outside])
    share = f"{len(found.agreeing)} of {len(votes)} groups agree"
    if len(found.agreeing) < params.agreement * len(votes):
        said = ", ".join(f"{vote.group} {vote.price:f}" for vote in votes)
        reason = f"{share} within {kind.band_bps} bps, {params.agreement} wanted: {said}"
        return ReconciledPrice(key, PriceStatus.NO_CONSENSUS, reason, dissenters=dissenters)
    doubts = [f"{dissent.source} is {dissent.detail}" for dissent in outside]
    doubts += [f"{group} has no vote" for group in missing]
    status = PriceStatus.DEGRADED if doubts else PriceStatus.OK
    low, mid, high = _interval(found, kind)
    return ReconciledPrice(
        key,
        status,
        "; ".join([share, *doubts]),
        low,
        mid,
        high,
        min(vote.observed_at for vote in found.agreeing),
        found.agreeing,
        dissenters,
    )


def _outside(vote: Vote, centre: Decimal, kind: PriceClass) -> Dissent:
    detail = f"{_off(vote.price, centre)} off the median {centre:f}, band {kind.band_bps} bps"
    return Dissent(vote.source, vote.group, "outside_band", detail, vote.price)


def _agreement(votes: Sequence[Vote], kind: PriceClass) -> _Agreement:
    lower, upper = median_interval([vote.price for vote in votes])
    centre = (lower + upper) / 2
    agreeing = tuple(vote for vote in votes if _near(vote.price, vote.half_width, centre, kind))
    return _Agreement(centre, agreeing, tuple(vote for vote in votes if vote not in agreeing))


def _interval(found: _Agreement, kind: PriceClass) -> tuple[Decimal, Decimal, Decimal]:
    """Low, mid, high of the agreeing votes.

    The centre of all votes is moved into the median interval of those that agree: with an odd number of votes it
    is one of them, so a single faulty group never takes it outside what the honest ones say.
    """
    lower, upper = median_interval([vote.price for vote in found.agreeing])
    mid = min(max(found.centre, lower), upper)
    quartiles = decimal_quartiles([(vote.price, vote.half_width) for vote in found.agreeing])
    floor = mid * kind.floor_bps / BPS
    return min(quartiles.low, mid - floor), mid, max(quartiles.high, mid + floor)


def _near(price: Decimal, half_width: Decimal, centre: Decimal, kind: PriceClass) -> bool:
    """True where the interval reaches into the band around the centre; a wide one reaches one band further."""
    band = centre * kind.band_bps / BPS
    return abs(price - centre) <= band + min(half_width, band)


def _off(price: Decimal, centre: Decimal) -> str:
    return f"{(price / centre - 1) * BPS:+.0f} bps"


def _finite(price: Decimal) -> Decimal | None:
    return price if price.is_finite() else None


def _ordered(dissents: Sequence[Dissent]) -> tuple[Dissent, ...]:
    return tuple(sorted(dissents, key=_rank))


def _rank(dissent: Dissent) -> tuple[str, ...]:
    return dissent.group, dissent.source, dissent.reason, dissent.detail, str(dissent.price)
