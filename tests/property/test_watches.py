"""Watches over readings and reports: unknown is never a number, never safe, never silent; hours are local ones."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import ConfigError
from aggregator.report import DataQuality, Degraded
from aggregator.watches.book import WatchBook, defaults
from aggregator.watches.figures import FIGURES, NEVER, Reading
from aggregator.watches.machine import Change
from aggregator.watches.rule import LevelChange, Quiet, Severity, WatchChange, watch_of
from aggregator.watches.watch import all_watches, watch
from risk.status import Status
from tests.kit.reports import WHEN, a_report
from tests.kit.world import CHAINS, PRICES, holding, loan, perp, report

EXAMPLES = 200
values = st.decimals(-100, 100, places=1)
UNKNOWN = Reading(None, None)


@st.composite
def rules(draw, **more):
    """A watch with up to three levels, each with its band."""
    below = draw(st.booleans())
    sign = -1 if below else 1
    fires = sorted(draw(st.sets(st.integers(-50, 50), min_size=1, max_size=3)))
    band = draw(st.integers(0, 10))
    levels = tuple(LevelChange(fire=sign * f, clear=sign * (f - band), severity="warning") for f in fires)
    said = WatchChange(figure="margin_ratio", when="below" if below else "above", levels=levels, **more)
    return watch_of("w", (said,))


@settings(max_examples=EXAMPLES)
@given(rules(), values)
def test_a_level_is_certain_beyond_its_fire_and_possible_up_to_its_clear(rule, value):
    up, hold = rule.seen(Reading(value, value))
    worse = [level for level in rule.levels if (value <= level.fire if rule.below else value >= level.fire)]
    left = [level for level in rule.levels if (value > level.clear if rule.below else value < level.clear)]
    assert up == len(worse)
    assert hold == len(rule.levels) - len(left)
    assert up <= hold


@settings(max_examples=EXAMPLES)
@given(rules(), values, values)
def test_a_wide_reading_says_what_all_of_it_says_or_nothing(rule, one, other):
    low, high = sorted((one, other))
    seen = rule.seen(Reading(low, high))
    points = {rule.seen(Reading(v, v)) for v in (low, (low + high) / 2, high)}
    assert (seen is None) == (len({rule.seen(Reading(v, v)) for v in (low, high)}) == 2)
    if seen is not None:
        assert points == {seen}


@given(rules(), st.one_of(st.none(), values), st.one_of(st.none(), values))
def test_what_is_not_known_is_no_level(rule, low, high):
    if low is None or high is None:
        assert rule.seen(Reading(low, high)) is None


@settings(max_examples=EXAMPLES)
@given(
    st.times().map(lambda t: t.replace(microsecond=0)), st.times().map(lambda t: t.replace(microsecond=0)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
    st.integers(0, 364 * 86_400),
)  # fmt: skip
def test_quiet_hours_are_those_of_the_wall_clock_there(start, end, zone, seconds):
    if start == end:
        return
    now = WHEN + timedelta(seconds=seconds)
    wall = now.astimezone(ZoneInfo(zone)).time().replace(microsecond=0)
    at, a, b = (t.hour * 3600 + t.minute * 60 + t.second for t in (wall, start, end))
    inside = (at - a) % 86_400 < (b - a) % 86_400
    assert Quiet(start=start, end=end, zone=zone).holds(now) == inside


def test_quiet_hours_follow_summer_time():
    quiet = Quiet(start=time(22), end=time(7), zone="Europe/Berlin")
    assert not quiet.holds(datetime(2026, 7, 1, 5, 30, tzinfo=UTC))  # 07:30 there
    assert quiet.holds(datetime(2026, 1, 1, 5, 30, tzinfo=UTC))  # 06:30 there


# --- whole reports ---

BOOK = WatchBook().of("p")
APART_S = 40
"""Seconds between looks: longer than the cooldown of the status."""
gaps = DataQuality(complete=False, staleness_s=None, degraded=(Degraded(what="venue", reason="unreachable"),))
statuses = st.sampled_from(list(Status))


def after(seconds: int, made):
    stamped = made.as_of.model_copy(update={"time": WHEN + timedelta(seconds=seconds)})
    return made.model_copy(update={"as_of": stamped})


@settings(max_examples=EXAMPLES)
@given(st.lists(statuses, min_size=1, max_size=25))
def test_no_status_that_needs_somebody_is_ever_untold(turns):
    """At the end of every look receivers know of the rung, or of its not being known."""
    state, known, missing = {}, 0, False
    rule = BOOK["status"]
    for turn, status in enumerate(turns):
        state, happened = watch(
            rule, state, after(APART_S * turn, a_report("p", status)), WHEN + timedelta(seconds=APART_S * turn)
        )
        for one in happened:
            assert one.event.deliver
            if one.missing:
                missing = one.event.after == 1
            else:
                known = one.event.after
        if status is Status.UNKNOWN:
            assert missing
        else:
            rung = sum(status.severity >= int(level.fire) for level in rule.levels)
            assert known >= rung
            assert not missing


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(statuses, st.booleans()), min_size=1, max_size=25))
def test_a_gap_ends_no_alert_and_never_stays_silent(turns):
    state: dict = {}
    opened: set = set()
    for turn, (status, blind) in enumerate(turns):
        made = a_report("p", Status.UNKNOWN if blind else status)
        if blind:
            nothing = dict.fromkeys(("mm_excess_usd", "margin_ratio", "mm_requirement_usd"))
            made = made.model_copy(update={"data_quality": gaps, **nothing})
        now = WHEN + timedelta(seconds=APART_S * turn)
        state, happened = all_watches(list(BOOK.values()), state, after(APART_S * turn, made), now)
        for one in happened:
            key = (one.watch.name, one.subject, one.missing)
            if one.event.change is Change.OPENED:
                assert key not in opened
                opened.add(key)
            if one.event.change is Change.RESOLVED:
                opened.remove(key)
                assert one.missing or one.reading.low is not None
        if made.status is Status.UNKNOWN:
            assert ("status", "", True) in opened
        else:
            assert ("status", "", True) not in opened


@settings(max_examples=60)
@given(st.integers(0, 47_000).map(str), st.integers(-40, 40).map(str), st.sets(st.sampled_from(sorted(PRICES))))
def test_every_figure_of_a_real_report_reads_or_says_that_it_is_not_known(debt, size, missing):
    prices = {key: price for key, price in PRICES.items() if key not in missing}
    made = report([loan(CHAINS[0], "20", debt), perp(CHAINS[1], size, "9000"), holding(CHAINS[0], "WETH", "1")],
                  prices=prices)  # fmt: skip
    for name, figure in FIGURES.items():
        for subject, (low, high, why) in figure.read(made):
            assert (low is None) == (high is None)
            assert low is None or low <= high
            assert low is not None or why
            assert subject == "" or not name.startswith(("data", "status", "margin"))
    for line in made.venues:
        (reading,) = [
            r for s, r in FIGURES["venue.ttl_s"].read(made) if s.startswith(f"{line.account}/{line.venue}")
        ]
        if line.mm_requirement_usd and line.ttl_s is None:
            assert reading.low is None if line.ttl_exceeds_s is None else reading.low > line.ttl_exceeds_s


def test_longer_than_is_in_order_below_it_and_not_known_beyond_it():
    rule = watch_of("t", (WatchChange(figure="venue.ttl_s", when="below", fire="3600", clear="5400"),))
    wide = Reading(Decimal(86_400).next_plus(), NEVER)
    assert rule.seen(wide) == (0, 0)
    far = watch_of("t", (WatchChange(figure="venue.ttl_s", when="below", fire="90000"),))
    assert far.seen(wide) is None


def test_the_watches_of_the_package_make_sense_and_each_has_a_threshold_that_can_be_reached():
    assert set(BOOK) == set(defaults())
    for rule in BOOK.values():
        assert rule.missing_told_by is None or rule.missing_told_by in BOOK
        for rank, level in enumerate(rule.levels, 1):
            assert rule.seen(Reading(level.fire, level.fire))[0] == rank
    assert BOOK["status"].severity(4) is Severity.CRITICAL


RATIO = {"figure": "margin_ratio", "when": "below", "fire": "1"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({**RATIO, "when": None}, r"watches\.w\.when: .*above.*below"),
        ({"when": "below", "fire": "1"}, r"watches\.w\.figure: a new watch needs a figure"),
        ({**RATIO, "fire": None}, r"watches\.w\.fire: a watch needs a threshold"),
        ({**RATIO, "fire": "x"}, r"watches\.w\.fire: expected a number, was 'x'"),
        ({**RATIO, "fire": "NaN"}, r"watches\.w\.fire: expected a finite number"),
        ({**RATIO, "figure": "price.status", "fire": "BAD"}, r"watches\.w\.fire: expected one of OK, "),
        ({**RATIO, "clear": "0.5"}, r"watches\.w\.clear: 0\.5 must be at or above fire"),
        ({**RATIO, "fire": None, "levels": ({"fire": "1"}, {"fire": "2"})}, r"w\.levels\.1: must be worse"),
        ({**RATIO, "levels": ({"fire": "2"},)}, r"watches\.w\.levels: fire, clear and severity"),
    ],
)
def test_a_wrong_watch_names_the_field_and_the_fix(said, words):
    with pytest.raises(ConfigError, match=words):
        watch_of("w", (WatchChange(**said),))
