"""The events of the stream: when each is sent, and the model of its data."""

from typing import NamedTuple

from pydantic import BaseModel

from aggregator.alerts import Alert
from aggregator.report import Amount, AsOf, DataQuality, Frozen
from risk.status import Status


class ReportEvent(Frozen):
    """A stored report in brief."""

    portfolio: str
    id: str
    status: Status
    status_reason: str
    binding_account: str | None
    mm_excess_usd: Amount | None
    margin_ratio: Amount | None
    bridge_latency_addon_usd: Amount | None
    as_of: AsOf
    data_quality: DataQuality


class Reason(Frozen):
    """Why the stream does not go on as before."""

    reason: str


class Nothing(Frozen):
    """No data."""


class Event(NamedTuple):
    """One kind of event."""

    summary: str
    data: type[BaseModel]


EVENTS = {
    "margin.updated": Event("A scan has stored a new report of a portfolio", ReportEvent),
    "breach.opened": Event("A status or another watched figure got worse", Alert),
    "breach.cleared": Event("It got better again", Alert),
    "data.missing": Event("A watched figure is not known, or no report comes", Alert),
    "data.restored": Event("It is known again", Alert),
    "data.degraded": Event("A report lacks something that its figures rest on", ReportEvent),
    "hello": Event("The stream is open; its id is the place to resume from", Nothing),
    "reset": Event("Too much was missed to be repeated: read the accounts anew", Reason),
    "dropped": Event("The reader did not keep up, or may no longer read, and is let go", Reason),
}
