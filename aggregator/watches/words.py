"""What happened, as the alert that people and programs get."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal

from aggregator.alerts import Alert, AlertKind
from aggregator.report import MarginReport
from aggregator.watches.figures import Reading
from aggregator.watches.machine import Change, Event
from aggregator.watches.watch import Happened
from risk.status import Status, duration

STATUS = "status"
"""The figure whose alerts are those of the margin itself."""


@dataclass(frozen=True, slots=True)
class Background:
    """What an alert says beside the event: the newest report, which may be old or missing."""

    portfolio: str
    report: MarginReport | None
    before: Status | None
    """Status of the report before."""


def alert_of(happened: Happened, background: Background) -> Alert:
    """The alert of an event; its id follows from what it says, so that the same event is the same alert."""
    event, report = happened.event, background.report
    ident = _ident(happened, background)
    ended = event.change is Change.RESOLVED
    return Alert(
        id=ident,
        type=_kind(happened),
        created_at=event.at,
        report_id=None if report is None else report.id,
        portfolio=background.portfolio,
        previous_status=background.before,
        status=Status.UNKNOWN if report is None else report.status,
        reason=_reason(happened, report),
        binding_account=None if report is None else report.binding_account,
        mm_excess_usd=_excess(report),
        degraded=() if report is None else report.data_quality.degraded,
        as_of={} if report is None else {chain: block.number for chain, block in report.as_of.blocks.items()},
        title=f"{background.portfolio}: {_title(happened)}",
        severity=happened.severity.value,
        watch=happened.watch.name,
        subject=happened.subject,
        change=event.change.value,
        episode=event.episode or ident,
        opened_at=event.opened_at,
        duration_s=max(0, int((event.at - event.opened_at).total_seconds())) if ended else None,
    )


def _ident(happened: Happened, background: Background) -> str:
    event, report = happened.event, background.report
    parts = (
        background.portfolio, happened.watch.name, happened.subject, happened.missing, event.change.value,
        event.before, event.after, event.at.isoformat(), event.episode, None if report is None else report.id,
    )  # fmt: skip
    return f"alt_{hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"


def _kind(happened: Happened) -> AlertKind:
    worse = happened.event.after > happened.event.before
    if happened.missing:
        return AlertKind.MISSING if worse else AlertKind.RESTORED
    if happened.watch.figure == STATUS:
        return AlertKind.WORSE if worse else AlertKind.RECOVERED
    return AlertKind.FIRED if worse else AlertKind.CLEARED


def _excess(report: MarginReport | None) -> str | None:
    return None if report is None or report.mm_excess_usd is None else format(report.mm_excess_usd, "f")


def _reason(happened: Happened, report: MarginReport | None) -> str:
    """The sentence of the alert."""
    plain = happened.watch.figure == STATUS and not happened.missing and report is not None
    said = report.status_reason if plain and report is not None else _title(happened)
    event = happened.event
    if happened.missing and event.after > event.before and happened.reading.why:
        said += f": {happened.reading.why}"
    if event.change is Change.RESOLVED:
        said += f" (open for {duration(_seconds(event))})"
    if event.change is Change.HELD and event.after:
        said += f" (since {event.opened_at:%Y-%m-%d %H:%M} UTC, kept back until now)"
    return said


def _seconds(event: Event) -> float:
    return max(0.0, (event.at - event.opened_at).total_seconds())


def _title(happened: Happened) -> str:
    rule, event = happened.watch, happened.event
    what = rule.reads.words + (f" of {short(happened.subject)}" if happened.subject else "")
    if happened.note:
        return f"{what}: {happened.note}"
    if happened.missing:
        return f"{what} is not known" if event.after > event.before else f"{what} is known again"
    side = "at or below" if rule.below else "at or above"
    value = _value(happened.reading, rule.below)
    shown = f"{what} is {'unknown' if value is None else rule.reads.text(value)}"
    if event.after:
        level = rule.levels[min(event.after, len(rule.levels)) - 1]
        return shown if rule.reads.scale else f"{shown}, {side} {rule.reads.text(level.fire)}"
    return f"{shown}, in order again"


def _value(reading: Reading, below: bool) -> Decimal | None:
    """The end of a reading that a rule looks at."""
    return reading.low if below else reading.high


def short(subject: str) -> str:
    """``eip155:1:0x7099…79C8/aave-v3`` as ``aave-v3 on eip155:1``; others as they are."""
    account, slash, venue = subject.partition("/")
    parts = account.split(":")
    if not slash or len(parts) != 3:
        return subject
    return f"{venue} on {parts[0]}:{parts[1]}"
