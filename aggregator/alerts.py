"""Alerts: what a receiver is told; and the plain rule that compares a status with the one before."""

import uuid
from datetime import datetime
from enum import StrEnum

from aggregator.report import Degraded, Frozen, MarginReport
from risk.status import Status


class AlertKind(StrEnum):
    """What kind of news."""

    WORSE = "margin.worse"
    RECOVERED = "margin.recovered"
    FIRED = "watch.fired"
    CLEARED = "watch.cleared"
    MISSING = "data.missing"
    RESTORED = "data.restored"

    @property
    def good(self) -> bool:
        """Whether something got better."""
        return self in {AlertKind.RECOVERED, AlertKind.CLEARED, AlertKind.RESTORED}


class Alert(Frozen):
    """What a receiver is told."""

    id: str
    type: AlertKind
    created_at: datetime
    report_id: str | None
    """None where no report has ever come."""
    portfolio: str
    previous_status: Status | None
    """None on the first report of a portfolio."""
    status: Status
    """Of the portfolio, whatever the alert is about."""
    reason: str
    binding_account: str | None
    mm_excess_usd: str | None
    degraded: tuple[Degraded, ...]
    as_of: dict[str, int]
    """Block number by chain."""
    title: str = ""
    """One short line."""
    severity: str = "warning"
    """info, warning or critical."""
    watch: str = "status"
    """Name of the watch that speaks."""
    subject: str = ""
    """Venue account, chain or asset; empty for the portfolio."""
    change: str = ""
    """opened, worsened, eased, resolved; held: what happened in quiet hours or a mute, told after them."""
    episode: str | None = None
    """Id of the alert that opened it: equal in all that is told of one matter."""
    opened_at: datetime | None = None
    duration_s: int | None = None
    """How long it was open; set when it ends."""


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
