"""Times on their way into SQLite."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects.sqlite import DATETIME, dialect

from aggregator.store.columns import UtcDateTime

OURS = UtcDateTime().dialect_impl(dialect()).bind_processor(dialect())
THEIRS = DATETIME().bind_processor(dialect())


@pytest.mark.parametrize("microsecond", [0, 1, 120_000, 999_999])
@pytest.mark.parametrize("year", [1, 1970, 2026, 9998])
def test_a_time_is_stored_as_the_library_stores_it(year, microsecond):
    time = datetime(year, 3, 4, 5, 6, 7, microsecond, tzinfo=UTC)
    assert OURS(time) == THEIRS(time.replace(tzinfo=None))
    if year > 1:
        assert OURS(time.astimezone(timezone(timedelta(hours=5, minutes=30)))) == OURS(time)


def test_a_time_without_a_zone_is_refused_and_none_stays():
    assert OURS(None) is None
    with pytest.raises(ValueError, match="aware"):
        OURS(datetime(2026, 1, 1))  # noqa: DTZ001
