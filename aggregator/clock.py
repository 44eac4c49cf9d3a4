"""The service's clock: the one place that reads the time, so that everything else gets it as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present as an aware UTC time."""
    return datetime.now(UTC)


def host_s() -> float:
    """Unix seconds now, with their fraction, for what stamps its own receipts."""
    return utc_now().timestamp()


def unix(at: datetime) -> int:
    """Whole unix seconds of a time."""
    return int(at.timestamp())
