from dataclasses import replace

import numpy as np
import pytest

from risk.errors import RiskInputError
from risk.status import (
    AccountState,
    Status,
    account_status,
    describe,
    duration,
    portfolio_status,
    usd,
)

HOUR, DAY, INF, NAN = 3600.0, 86_400.0, float("inf"), float("nan")
FINE = AccountState(
    surplus_usd=1000.0,
    mm_requirement_usd=5000.0,
    ttl_s=INF,
    ttf_s=2 * HOUR,
    liquidity_coverage=3.0,
    rescue_gap_usd=0.0,
    local_floor_usd=300.0,
)


def state(**changes):
    return replace(FINE, **changes)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, "SAFE", "within_requirement"),
        ({"surplus_usd": -0.01}, "LIQUIDATABLE", "surplus_negative"),
        ({"surplus_usd": -1.0, "complete": False, "ttl_s": NAN}, "LIQUIDATABLE", "surplus_negative"),
        ({"liquidatable": True}, "LIQUIDATABLE", "venue_says_so"),
        ({"liquidatable": True, "surplus_usd": NAN}, "LIQUIDATABLE", "venue_says_so"),
        ({"ttl_s": HOUR}, "DELEVERAGE", "too_late_to_bridge"),
        ({"ttl_s": HOUR, "ttf_s": INF}, "DELEVERAGE", "no_source"),
        ({"ttl_s": HOUR, "ttf_s": NAN}, "DELEVERAGE", "no_source"),
        ({"ttl_s": 3 * HOUR, "rescue_gap_usd": 5.0}, "DELEVERAGE", "gap_not_closable"),
        ({"ttl_s": 2 * HOUR}, "BRIDGE_NOW", "bridge_in_time"),
        ({"ttl_s": 3 * HOUR}, "BRIDGE_NOW", "bridge_in_time"),
        ({"ttl_s": 4 * HOUR}, "WATCH", "ttl_below_horizon"),
        ({"ttl_s": 23 * HOUR}, "WATCH", "ttl_below_horizon"),
        ({"ttl_s": DAY}, "SAFE", "within_requirement"),
        ({"ttl_s": DAY, "ttf_s": INF}, "SAFE", "within_requirement"),
        ({"surplus_usd": 299.0}, "WATCH", "below_local_floor"),
        ({"liquidity_coverage": 1.49}, "WATCH", "coverage_thin"),
        ({"complete": False}, "UNKNOWN", "data_incomplete"),
        ({"complete": False, "ttl_s": 23 * HOUR}, "UNKNOWN", "data_incomplete"),
        ({"complete": False, "ttl_s": HOUR}, "DELEVERAGE", "too_late_to_bridge"),
        ({"surplus_usd": NAN}, "UNKNOWN", "data_incomplete"),
        ({"ttl_s": NAN}, "UNKNOWN", "data_incomplete"),
        ({"liquidity_coverage": NAN}, "UNKNOWN", "data_incomplete"),
        ({"local_floor_usd": NAN}, "UNKNOWN", "data_incomplete"),
        ({"mm_requirement_usd": NAN}, "UNKNOWN", "data_incomplete"),
        ({"mm_requirement_usd": 0.0, "ttl_s": 0.0, "ttf_s": INF}, "SAFE", "no_requirement"),
        ({"mm_requirement_usd": 0.0, "ttl_s": NAN, "liquidity_coverage": NAN}, "SAFE", "no_requirement"),
        ({"mm_requirement_usd": 0.0, "complete": False}, "UNKNOWN", "data_incomplete"),
        ({"mm_requirement_usd": 0.0, "surplus_usd": NAN}, "UNKNOWN", "data_incomplete"),
    ],
)
def test_ladder(changes, status, code):
    found = account_status(state(**changes))
    assert (found.status, found.reason.code) == (status, code)


def test_ladder_is_ordered():
    names = ["SAFE", "WATCH", "UNKNOWN", "BRIDGE_NOW", "DELEVERAGE", "LIQUIDATABLE"]
    assert sorted(Status, key=lambda s: s.severity) == [Status(name) for name in names]


def test_worst_account_binds():
    found = portfolio_status([FINE, state(ttl_s=3 * HOUR), state(ttl_s=HOUR), state(ttl_s=1.5 * HOUR)], 500.0)
    assert (found.status, found.binding, found.reason.code) == (Status.DELEVERAGE, 2, "too_late_to_bridge")
    assert [a.status for a in found.accounts] == ["SAFE", "BRIDGE_NOW", "DELEVERAGE", "DELEVERAGE"]


def test_whole_portfolio_can_bind():
    found = portfolio_status([FINE, FINE], 2000.01)
    assert (found.status, found.binding, found.reason.code) == (Status.WATCH, None, "below_unified_buffer")
    assert portfolio_status([FINE, FINE], 2000.0).status == Status.SAFE


def test_unknown_hides_no_emergency_and_never_looks_safe():
    assert portfolio_status([FINE, state(complete=False)], 0.0).status == Status.UNKNOWN
    assert portfolio_status([FINE], 0.0, complete=False).status == Status.UNKNOWN
    assert portfolio_status([state(ttl_s=23 * HOUR)], 0.0, complete=False).status == Status.UNKNOWN
    assert portfolio_status([FINE], NAN).status == Status.UNKNOWN
    assert portfolio_status([state(ttl_s=HOUR), state(complete=False)], NAN).status == Status.DELEVERAGE
    assert portfolio_status([state(surplus_usd=-1)], NAN, complete=False).status == Status.LIQUIDATABLE
    assert portfolio_status([], 0.0, complete=False).status == Status.UNKNOWN


def test_nothing_owed_is_safe():
    idle = state(mm_requirement_usd=0.0, surplus_usd=10.0)
    assert portfolio_status([idle], 1e9).status == Status.SAFE
    empty = portfolio_status([], 0.0)
    assert (empty.status, empty.binding, empty.reason.code) == (Status.SAFE, None, "no_positions")


def test_negative_buffer_is_refused():
    with pytest.raises(RiskInputError, match="unified_buffer_usd"):
        portfolio_status([FINE], -1.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"ttl_s": 41 * 60.0, "ttf_s": 3.3 * HOUR},
            "Aave on Arbitrum reaches liquidation in 41 min at 99 %; money from elsewhere needs 3 h 18 min: "
            "too late to bridge, reduce risk there",
        ),
        ({"surplus_usd": -12.5}, "Aave on Arbitrum can be liquidated now: it is $12.50 short"),
        (
            {"ttl_s": 3 * HOUR},
            "Aave on Arbitrum reaches liquidation in 3 h 0 min at 99 %; money from elsewhere needs 2 h 0 min: "
            "start the transfer now",
        ),
        (
            {"surplus_usd": 299.0},
            "Aave on Arbitrum holds $299.00 above its requirement, less than its local floor of $300.00",
        ),
        ({"complete": False}, "Aave on Arbitrum: data is incomplete, no statement is possible"),
    ],
)
def test_words(changes, sentence):
    assert describe(account_status(state(**changes)).reason, "Aave on Arbitrum") == sentence


def test_every_reason_has_words():
    changes = [
        {"liquidatable": True},
        {"ttl_s": HOUR, "ttf_s": INF},
        {"ttl_s": 23 * HOUR},
        {"ttl_s": 3 * HOUR, "rescue_gap_usd": 5.0},
        {"liquidity_coverage": 1.2},
        {"mm_requirement_usd": 0.0},
        {},
    ]
    cases = [state(**change) for change in changes]
    reasons = [account_status(case).reason for case in cases]
    reasons += [portfolio_status([FINE], 5e3).reason, portfolio_status([], 0.0).reason]
    for reason in reasons:
        words = describe(reason, "X")
        assert words.startswith("X")
        assert "nan" not in words
        assert "unknown" not in words


def test_numbers_in_words():
    spans = (59.9, 61, 3 * HOUR + 18 * 60, 2 * DAY + 4 * HOUR, INF, NAN)
    assert [duration(s) for s in spans] == [
        "59 s", "1 min", "3 h 18 min", "2 d 4 h", "no foreseeable time", "an unknown time",
    ]  # fmt: skip
    assert usd(-1234.5) == "-$1,234.50"
    assert usd(np.nan) == "an unknown amount"
