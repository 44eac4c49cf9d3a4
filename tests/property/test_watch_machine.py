"""The step of a watch against a slow twin that keeps the whole history, and its laws one by one."""

from datetime import timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.watches.machine import AT_REST, Change, Half, Law, acknowledge, step
from tests.kit.reports import WHEN
from tests.kit.watch_twin import Twin

EXAMPLES = 300
laws = st.builds(Law, st.integers(1, 4), st.integers(1, 4), st.sampled_from([0, 25, 100]))
seen = st.one_of(
    st.none(), st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda pair: (min(pair), max(pair)))
)
looks = st.lists(st.tuples(seen, st.booleans(), st.sampled_from([10, 10, 10, 60, -30])), max_size=40)


def run(law: Law, events):
    """(half, event, now, seen) after each look."""
    half, now = AT_REST, WHEN
    for look, silent, seconds in events:
        now += timedelta(seconds=seconds)
        before = half
        half, event = step(half, look, now, law, lambda _, silent=silent: not silent)
        yield before, half, event, now, look


@settings(max_examples=EXAMPLES)
@given(laws, looks)
def test_the_step_says_what_the_history_says(law, events):
    twin = Twin(law)
    for (look, silent, _), (before, half, event, now, _) in zip(events, run(law, events), strict=True):
        told = twin.look(look, now, silent=silent)
        assert half.level == twin.level
        assert half.told == twin.told
        delivered = event is not None and event.deliver
        assert delivered == (told is not None)
        if event is not None and event.change is not Change.HELD:
            assert (event.before, event.after) == (before.level, half.level)


@settings(max_examples=EXAMPLES)
@given(laws, looks)
def test_nothing_is_told_twice_and_nothing_that_lasts_is_kept_back(law, events):
    known = 0
    for (_, silent, _), (_, half, event, _, _) in zip(events, run(law, events), strict=True):
        if event is not None and event.deliver:
            assert event.after != known
            known = event.after
        if not silent:
            assert known == half.level


@settings(max_examples=EXAMPLES)
@given(laws, looks)
def test_an_alert_never_ends_by_what_is_not_known_nor_inside_the_hysteresis(law, events):
    for before, half, event, now, look in run(law, events):
        if event is None or event.change not in {Change.EASED, Change.RESOLVED}:
            continue
        assert look is not None
        assert look[1] <= half.level < before.level
        elapsed = (now - before.rose_at).total_seconds()
        assert elapsed < 0 or elapsed >= law.cooldown_s


@settings(max_examples=EXAMPLES)
@given(laws, st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_inside_the_band_it_neither_begins_nor_ends(law, holds):
    """A figure between fire and clear: certain of nothing, excluding nothing."""
    half, now = AT_REST, WHEN
    for _ in range(law.rise_cycles):
        half, _ = step(half, (2, 2), now, law)
    assert half.level == 2
    for hold in holds:
        now += timedelta(seconds=1000)
        half, event = step(half, (0, max(2, hold)), now, law)
        assert event is None
    rested = AT_REST
    for hold in holds:
        rested, event = step(rested, (0, hold), now, law)
        assert event is None
    assert rested == AT_REST


@settings(max_examples=EXAMPLES)
@given(laws, looks, st.integers(0, 39))
def test_what_is_acknowledged_is_quiet_until_it_worsens(law, events, when):
    half, now, acked = AT_REST, WHEN, 0
    for turn, (look, silent, seconds) in enumerate(events):
        now += timedelta(seconds=seconds)
        half, event = step(half, look, now, law, lambda _, silent=silent: not silent)
        acked = 0 if half.level > acked or not half.level else acked
        if event is not None and event.deliver and acked:
            assert event.after < event.before
        if turn == when:
            half = acknowledge(half)
            acked = half.level
            assert half.told == half.level or half.level == 0
        assert half.acked == 0 or half.level


@settings(max_examples=EXAMPLES)
@given(laws, looks)
def test_what_is_remembered_survives_the_store(law, events):
    half, now = AT_REST, WHEN
    for look, silent, seconds in events:
        now += timedelta(seconds=seconds)
        half = msgspec.json.decode(msgspec.json.encode(half), type=Half)
        again, first = step(half, look, now, law, lambda _, silent=silent: not silent)
        half, second = step(half, look, now, law, lambda _, silent=silent: not silent)
        assert (again, first) == (half, second)
    for _ in range(8):
        now += timedelta(seconds=1000)
        half, _ = step(half, (0, 0), now, law)
    assert half == AT_REST
