import pytest

from aggregator.alerts import AlertKind, status_change
from risk.status import Status
from tests.kit.reports import a_report


def test_first_safe_report_is_silent():
    assert status_change(None, a_report(status=Status.SAFE)) == ()


def test_first_bad_report_is_told():
    (alert,) = status_change(None, a_report(status=Status.LIQUIDATABLE))
    assert alert.type is AlertKind.WORSE
    assert alert.previous_status is None


@pytest.mark.parametrize("status", list(Status))
def test_unchanged_status_is_silent(status):
    assert status_change(status, a_report(status=status)) == ()


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (Status.SAFE, Status.WATCH, AlertKind.WORSE),
        (Status.BRIDGE_NOW, Status.DELEVERAGE, AlertKind.WORSE),
        (Status.LIQUIDATABLE, Status.SAFE, AlertKind.RECOVERED),
        (Status.WATCH, Status.SAFE, AlertKind.RECOVERED),
        (Status.SAFE, Status.UNKNOWN, AlertKind.WORSE),
    ],
)
def test_direction_of_a_change(before, after, kind):
    report = a_report(status=after)
    (alert,) = status_change(before, report)
    assert (alert.type, alert.previous_status, alert.status) == (kind, before, after)
    assert alert.report_id == report.id
    assert alert.degraded == report.data_quality.degraded
