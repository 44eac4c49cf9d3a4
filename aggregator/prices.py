"""A reconciled price as it is stored and answered: figures, votes, exclusions and reasons."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from aggregator.clock import unix
from aggregator.report import Amount, Frozen
from oracles.clocks import ClockSkew
from oracles.types import Dissent, Fact, PriceBook, PriceStatus, ReconciledPrice, Vote


class VoteLine(Frozen):
    """One independence group that agreed."""

    group: str
    source: str
    price_usd: Amount
    half_width_usd: Amount
    observed_at: int
    share: Amount


class DissentLine(Frozen):
    """A source without a part in the price."""

    source: str
    group: str
    reason: str
    detail: str
    price_usd: Amount | None


class FactLine(Frozen):
    """What a venue's own oracle says."""

    source: str
    price_usd: Amount
    observed_at: int
    off_bps: Amount | None


class PriceLine(Frozen):
    """One price at one time, with everything that made it."""

    price_key: str
    time: datetime
    status: PriceStatus
    reason: str
    low_usd: Amount | None
    """For collateral."""
    mid_usd: Amount | None
    high_usd: Amount | None
    """For liabilities."""
    borrow_ceiling_usd: Amount | None
    observed_at: int | None
    age_s: int | None
    parameters: str
    notes: tuple[str, ...]
    contributors: tuple[VoteLine, ...]
    dissenters: tuple[DissentLine, ...]
    facts: tuple[FactLine, ...]


class ClockLine(Frozen):
    """A clock against the host's."""

    clock: str
    offset_s: float
    within_s: float


def price_line(price: ReconciledPrice, at: datetime, parameters: str) -> PriceLine:
    """The line of a price."""
    return PriceLine(
        price_key=price.price_key,
        time=at,
        status=price.status,
        reason=price.reason,
        low_usd=_short(price.low),
        mid_usd=_short(price.mid),
        high_usd=_short(price.high),
        borrow_ceiling_usd=_short(price.ceiling),
        observed_at=price.observed_at,
        age_s=None if price.observed_at is None else max(0, unix(at) - price.observed_at),
        parameters=parameters,
        notes=price.notes,
        contributors=tuple(map(_vote, price.contributors)),
        dissenters=tuple(map(_dissent, price.dissenters)),
        facts=tuple(map(_fact, price.facts)),
    )


def price_lines(book: PriceBook, at: datetime) -> tuple[PriceLine, ...]:
    """Lines of all prices of a round."""
    return tuple(price_line(price, at, book.parameters) for price in book.values())


def clock_lines(skews: Sequence[ClockSkew]) -> tuple[ClockLine, ...]:
    """Lines of all clocks."""
    return tuple(
        ClockLine(clock=s.clock, offset_s=round(s.offset_s, 3), within_s=round(s.within_s, 3)) for s in skews
    )


def _vote(vote: Vote) -> VoteLine:
    return VoteLine(
        group=vote.group,
        source=vote.source,
        price_usd=_known(vote.price),
        half_width_usd=_known(vote.half_width),
        observed_at=vote.observed_at,
        share=vote.share,
    )


def _dissent(dissent: Dissent) -> DissentLine:
    return DissentLine(
        source=dissent.source,
        group=dissent.group,
        reason=dissent.reason,
        detail=dissent.detail,
        price_usd=_short(dissent.price),
    )


def _fact(fact: Fact) -> FactLine:
    off = None if fact.off_bps is None else round(fact.off_bps, 1)
    return FactLine(source=fact.source, price_usd=_known(fact.price), observed_at=fact.observed_at, off_bps=off)


def _known(value: Decimal) -> Decimal:
    """At most 15 significant digits: what is beyond comes from dividing, not from a source."""
    return value if len(value.as_tuple().digits) <= 15 else Decimal(f"{value:.15g}")


def _short(value: Decimal | None) -> Decimal | None:
    return None if value is None else _known(value)
