"""Scan records, the clock watch, progress."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import progress
from aggregator.scans import WORST, record, stands
from aggregator.upkeep import JUMP_S, ClockWatch
from risk.status import Status
from tests.kit.reports import WHEN, a_report


def scan(reports, before=None, **more):
    return record(reports, before, time=WHEN, duration_s=1.0, alerts=0, skipped=0, **more)


def test_worst_come_first_and_the_unknown_before_what_is_known_thin():
    reports = [
        a_report("safe", margin_ratio=Decimal(3)),
        a_report("thin", Status.WATCH, margin_ratio=Decimal("1.1")),
        a_report("thinner", Status.WATCH, margin_ratio=Decimal("1.05")),
        a_report("gone", Status.LIQUIDATABLE),
        a_report("dark", Status.WATCH, margin_ratio=None),
    ]
    done = scan(reports)
    assert [line.portfolio for line in done.worst] == ["gone", "dark", "thinner", "thin", "safe"]
    assert (done.portfolios, done.statuses["WATCH"], done.changes, done.changed) == (5, 3, (), 0)


def test_changes_name_new_gone_and_turned_portfolios():
    before = stands([a_report("a"), a_report("b", mm_excess_usd=Decimal(10)), a_report("gone")])
    now = [a_report("a", Status.DELEVERAGE), a_report("b", mm_excess_usd=Decimal(4)), a_report("new")]
    done = scan(now, before)
    assert [(c.portfolio, c.before, c.now) for c in done.changes] == [
        ("a", Status.SAFE, Status.DELEVERAGE), ("new", None, Status.SAFE), ("gone", Status.SAFE, None),
    ]  # fmt: skip
    assert done.changed == 3
    assert [(c.portfolio, c.mm_excess_change_usd) for c in done.largest_moves] == [("b", Decimal(-6))]


def test_unknown_excess_is_no_change_of_zero():
    done = scan([a_report("a", mm_excess_usd=None)], stands([a_report("a")]))
    assert done.largest_moves == ()


def test_a_large_scan_lists_few_and_counts_all():
    reports = [a_report(f"p{i}", Status.WATCH) for i in range(100)]
    done = scan(reports, stands([a_report(f"p{i}") for i in range(100)]))
    assert (len(done.worst), len(done.changes), done.changed) == (WORST, WORST, 100)


@given(st.lists(st.floats(0.1, 60), min_size=1, max_size=30), st.floats(-0.02, 0.02))
def test_slow_drift_is_no_jump(steps, drift):
    watch, steady = ClockWatch(), 0.0
    for step in steps:
        steady += step
        assert watch.look(1e9 + steady * (1 + drift), steady) == 0


@given(st.floats(-1e6, 1e6).filter(lambda jump: abs(jump) > JUMP_S + 0.1))
def test_a_jump_is_seen_once_with_its_size(jump):
    watch = ClockWatch()
    assert watch.look(1e9, 0) == 0
    assert watch.look(1e9 + 5 + jump, 5) == pytest.approx(jump)
    assert watch.look(1e9 + 10 + jump, 10) == 0


async def test_progress_counts_the_steps_of_tasks_and_nobody_has_to_listen():
    seen = []
    progress.step("unheard")

    async def read(name):
        progress.step(name)

    with progress.shown(lambda what, done, of: seen.append((what, done, of))):
        progress.expect(2)
        await asyncio.gather(read("a"), read("b"))
        progress.step("one more than expected")
    progress.step("after")
    assert [(done, of) for _, done, of in seen] == [(1, 2), (2, 2), (3, 3)]
