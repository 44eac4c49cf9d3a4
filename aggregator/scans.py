"""The record of a full scan: how long it took, who stands worst, and what changed since the scan before. Pure."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from aggregator.report import Amount, BlockStamp, Frozen, MarginReport
from risk.status import Status

WORST = 20
"""Portfolios listed, and changes listed of each kind."""


class Stand(NamedTuple):
    """Where a portfolio stood."""

    status: Status
    mm_excess_usd: Decimal | None


class WorstLine(Frozen):
    """One of the portfolios that stand worst."""

    portfolio: str
    report_id: str
    status: Status
    reason: str
    margin_ratio: Amount | None
    mm_excess_usd: Amount | None


class ChangeLine(Frozen):
    """A portfolio whose status is another one than in the scan before; None: it was or is not there."""

    portfolio: str
    before: Status | None
    now: Status | None
    mm_excess_change_usd: Amount | None


class ScanRecord(Frozen):
    """One full scan."""

    id: str
    time: datetime
    duration_s: float
    max_skew_s: int
    blocks: dict[str, BlockStamp]
    portfolios: int
    incomplete: int
    """Portfolios of which something is not known."""
    statuses: dict[str, int]
    alerts: int
    skipped: int
    """Scans left out before this one because the one before took longer than the interval."""
    worst: tuple[WorstLine, ...]
    changes: tuple[ChangeLine, ...]
    """By status, the worst first; at most twenty."""
    changed: int
    """How many there are in all."""
    largest_moves: tuple[ChangeLine, ...]
    """Largest changes of the margin excess."""


def stands(reports: Sequence[MarginReport]) -> dict[str, Stand]:
    """What the next scan is compared with."""
    return {report.portfolio.name: Stand(report.status, report.mm_excess_usd) for report in reports}


def record(
    reports: Sequence[MarginReport],
    before: Mapping[str, Stand] | None,
    *,
    time: datetime,
    duration_s: float,
    alerts: int,
    skipped: int,
) -> ScanRecord:
    """The record of a scan; ``before`` is None for the first, which has nothing to be compared with."""
    counts = Counter(report.status for report in reports)
    changes = [] if before is None else _changes(before, stands(reports))
    moved = sorted(changes, key=lambda c: -abs(c.mm_excess_change_usd or Decimal(0)))
    turned = sorted((c for c in changes if c.before is not c.now), key=_severity)
    return ScanRecord(
        id=f"scan_{uuid.uuid4().hex}",
        time=time,
        duration_s=round(duration_s, 3),
        max_skew_s=max((report.as_of.max_skew_s for report in reports), default=0),
        blocks={chain: block for report in reports for chain, block in report.as_of.blocks.items()},
        portfolios=len(reports),
        incomplete=sum(not report.data_quality.complete for report in reports),
        statuses={status.value: counts[status] for status in Status if counts[status]},
        alerts=alerts,
        skipped=skipped,
        worst=tuple(_worst(report) for report in sorted(reports, key=_badness)[:WORST]),
        changes=tuple(turned[:WORST]),
        changed=len(turned),
        largest_moves=tuple(c for c in moved[:WORST] if c.mm_excess_change_usd),
    )


def _changes(before: Mapping[str, Stand], now: Mapping[str, Stand]) -> list[ChangeLine]:
    nobody = Stand(Status.UNKNOWN, None)
    found = []
    for name in dict.fromkeys((*now, *before)):
        was, is_ = before.get(name, nobody), now.get(name, nobody)
        known = was.mm_excess_usd is not None and is_.mm_excess_usd is not None
        found.append(
            ChangeLine(
                portfolio=name,
                before=was.status if name in before else None,
                now=is_.status if name in now else None,
                mm_excess_change_usd=_minus(is_.mm_excess_usd, was.mm_excess_usd) if known else None,
            )
        )
    return found


def _minus(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if now is None or before is None else now - before


def _severity(change: ChangeLine) -> tuple[int, str]:
    severity = -1 if change.now is None else change.now.severity
    return (-severity, change.portfolio)


def _badness(report: MarginReport) -> tuple[int, Decimal, str]:
    """Worst status first, then the thinnest ratio; one that is not known before those that are."""
    ratio = report.margin_ratio if report.margin_ratio is not None else Decimal("-Infinity")
    return (-report.status.severity, ratio, report.portfolio.name)


def _worst(report: MarginReport) -> WorstLine:
    return WorstLine(
        portfolio=report.portfolio.name,
        report_id=report.id,
        status=report.status,
        reason=report.status_reason,
        margin_ratio=report.margin_ratio,
        mm_excess_usd=report.mm_excess_usd,
    )
