"""Alerts: a pure rule over the previous status and the current report, and the value it gives."""

import uuid
from datetime import datetime
from enum import StrEnum

from aggregator.report import Degraded, Frozen, MarginReport
from risk.status import Status


class AlertKind(StrEnum):
    """Which way the status went."""

    WORSE = "margin.worse"
    RECOVERED = "margin.recovered"


class Alert(Frozen):
    """What a receiver is told."""

    id: str
    type: AlertKind
    created_at: datetime
    report_id: str
    portfolio: str
    previous_status: Status | None
    """None on the first report of a portfolio."""
    status: Status
    reason: str
    binding_account: str | None
    mm_excess_usd: str | None
    degraded: tuple[Degraded, ...]
    as_of: dict[str, int]
    """Block number by chain."""


def status_change(previous: Status | None, report: MarginReport) -> tuple[Alert, ...]:
    """An alert when the status got worse or better than that of the report before.

    A first report counts as worse when its status is not SAFE, so that nothing starts broken in silence.
    """
    before = Status.SAFE if previous is None else previous
    if report.status is before:
        return ()
    worse = report.status.severity > before.severity
    alert = Alert(
        id=f"alt_{uuid.uuid4().hex}",
        type=AlertKind.WORSE if worse else AlertKind.RECOVERED,
        created_at=report.as_of.time,
        report_id=report.id,
        portfolio=report.portfolio.name,
        previous_status=previous,
        status=report.status,
        reason=report.status_reason,
        binding_account=report.binding_account,
        mm_excess_usd=None if report.mm_excess_usd is None else format(report.mm_excess_usd, "f"),
        degraded=report.data_quality.degraded,
        as_of={chain: block.number for chain, block in report.as_of.blocks.items()},
    )
    return (alert,)
