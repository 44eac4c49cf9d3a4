"""The market backtest end to end on seeded prices: verdicts, page, command."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from typer.testing import CliRunner

from aggregator.history import HistoryError, PriceHistory
from aggregator.market_test.page import page
from aggregator.market_test.past import try_market
from aggregator.market_test.simulated import run_worlds
from api.cli.backtest import app

HOUR = 3600


def prices(days: int = 400, step_s: int = HOUR, sigma: float = 0.04) -> PriceHistory:
    bars = days * 86_400 // step_s + 1
    steps = np.random.default_rng(4).standard_normal((bars, 2)) * sigma * np.sqrt(step_s / 86_400)
    close = 100.0 * np.exp(np.cumsum(steps, axis=0))
    wide = np.exp(0.5 * sigma * np.sqrt(step_s / 86_400))
    return PriceHistory(
        ("AAA", "BBB"), 1_600_000_000 + step_s * np.arange(bars), step_s, close, close * wide, close / wide
    )


def written(path, history: PriceHistory):
    names = [f"{asset}_{part}" for asset in history.assets for part in ("close", "high", "low")]
    lines = [",".join(["time_utc", *names])]
    for row, stamp in enumerate(history.time_s):
        bars = [f"{part[row, i]:.8f}" for i in range(2) for part in (history.close, history.high, history.low)]
        lines.append(",".join([str(np.datetime64(int(stamp), "s")), *bars]))
    path.write_text("\n".join(lines))
    return path


def test_worlds_find_one_per_cent_where_it_is_and_the_control_out():
    found = run_worlds()
    assert all(w.passed for w in found), [w for w in found if not w.passed]
    assert {w.law for w in found if w.world == "GARCH, fat tails"} == {"true", "filtered", "normal"}
    assert all(w.hits > w.high for w in found if w.control)


def test_same_seed_same_worlds():
    assert run_worlds(5, 700, 2) == run_worlds(5, 700, 2)


def test_books_of_a_diffusion_are_forecast_well_and_its_grid_is_never_reached():
    past = try_market(prices())
    assert past.passed
    assert len(past.tests) == 3 * (2 * 2 + 2)
    assert all(test.found.hits == 0 for test in past.of("grid"))
    assert all(0.0 <= c.observed <= 1.0 for c in past.calibration)


def test_daily_bars_leave_the_hour_out():
    past = try_market(prices(step_s=86_400))
    assert {c.horizon_s for c in past.calibration} == {86_400.0}


@pytest.mark.parametrize("history", [prices(days=100), prices(days=300, step_s=7 * HOUR)])
def test_history_that_is_too_short_or_odd_is_refused(history):
    with pytest.raises(HistoryError, match="history: "):
        try_market(history)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.loads += [value for name, value in attrs if name in {"src", "href"}]


def test_page_holds_tables_and_plots_and_loads_nothing():
    tags = Tags()
    tags.feed(page(run_worlds(5, 700, 2), try_market(prices()), "<prices>.csv"))
    assert tags.seen.count("svg") == 6 + 1
    assert tags.seen.count("table") == 3
    assert (tags.loads, tags.seen.count("script")) == ([], 0)


def test_command_writes_page_and_json(tmp_path):
    history, out = written(tmp_path / "prices.csv", prices()), tmp_path / "report.html"
    done = CliRunner().invoke(app, ["market", str(history), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    body = json.loads(done.output)
    assert body["history"]["passed"] is True
    assert {"statistic", "p_value"} == set(body["history"]["tests"][0]["frequency"])
    assert out.read_text().startswith("<!doctype html>")
