"""A message in words, for receivers that people read."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from risk.status import Status

Severity = Literal["info", "success", "warning", "failure"]
"""Names that apprise gives colours and icons to."""
SEVERITIES: Mapping[str, Severity] = {"info": "info", "warning": "warning", "critical": "failure"}
"""Of watches."""
GOOD = (".recovered", ".cleared", ".restored")
"""Endings of the types of good news."""
SHOWN_GAPS = 3
CRITICAL = Status.DELEVERAGE.severity
"""From this severity of a status on, an alert is shown as a failure."""


def words(body: str) -> tuple[str, str, Severity]:
    """Title, text and severity of a message's JSON."""
    given = json.loads(body)
    kind = str(given.get("type", ""))
    if kind == "receiver.test":
        return "crossmargin: test", "A test message: this receiver works.", "info"
    if kind == "receiver.disabled":
        text = f"{given['receiver']} gets no more alerts: {given['reason']}. {given['waiting']} wait for it."
        return f"crossmargin: receiver {given['receiver']} was switched off", text, "failure"
    return _title(given), "\n".join(_lines(given)), severity(given)


def severity(given: Mapping[str, Any]) -> Severity:
    """How loud: as a watch says, else by the status that the alert speaks of."""
    if str(given.get("type", "")).endswith(GOOD):
        return "success"
    if given.get("change"):  # a watch speaks
        return SEVERITIES.get(str(given.get("severity")), "warning")
    status = _status(given)
    return "failure" if status is not None and status.severity >= CRITICAL else "warning"


def _status(given: Mapping[str, Any]) -> Status | None:
    try:
        return Status(str(given.get("status")))
    except ValueError:
        return None


def _title(given: Mapping[str, Any]) -> str:
    if title := given.get("title"):
        return str(title)
    before = given.get("previous_status") or "new"
    return f"{given.get('portfolio', 'crossmargin')}: {before} -> {given.get('status', given.get('type', ''))}"


def _lines(given: Mapping[str, Any]) -> list[str]:
    lines = [str(given.get("reason") or given.get("type") or "")]
    if (excess := given.get("mm_excess_usd")) is not None:
        lines.append(f"Maintenance excess: {excess} USD")
    if account := given.get("binding_account"):
        lines.append(f"Account: {account}")
    gaps = given.get("degraded") or ()
    lines += [f"Missing: {gap.get('what')} ({gap.get('reason')})" for gap in gaps[:SHOWN_GAPS]]
    if blocks := given.get("as_of"):
        lines.append("Blocks: " + ", ".join(f"{chain} {number}" for chain, number in blocks.items()))
    return lines
