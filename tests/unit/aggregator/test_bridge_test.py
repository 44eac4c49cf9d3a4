"""History part of the acceptance test on made-up histories, and the page."""

import numpy as np
import pytest

from aggregator.bridge_test import keeper
from aggregator.bridge_test.keeper import run_cells
from aggregator.bridge_test.page import page
from aggregator.bridge_test.past import try_history
from aggregator.history import HistoryError, PriceHistory, read_history
from risk.coverage import Bound, Outcome
from tests.kit.market_history import HOUR, START, made_up


@pytest.fixture(scope="module")
def result():
    return try_history(made_up(730))


def test_default_split_is_a_whole_year_after_half_a_year(result):
    assert result.fitted == "2023-01-01/2023-12-31"
    assert result.tested.startswith("2024-01-01")


def test_law_holds_on_a_stationary_history(result):
    by_lag = {y.lag_s: y for y in result.years}
    assert set(by_lag) == {3600.0, 14_400.0, 86_400.0}
    assert all(y.mean <= 0.03 for y in result.years)
    assert {(r.asset, r.year) for r in result.rows} == {(a, 2024) for a in ("AAA", "BBB", "CCC")}


def test_hedges_and_neighbours_are_walked_at_two_lags(result):
    names = {row.ours.names for row in result.pairs}
    assert names == {("AAA", "AAA"), ("BBB", "BBB"), ("AAA", "BBB"), ("BBB", "CCC")}
    assert all(row.ours.rate <= row.control.rate + 0.01 for row in result.pairs)
    assert all(row.ours.days > 300 for row in result.pairs)


def test_a_history_that_turns_wild_does_not_pass():
    calm, wild = made_up(365, 2), made_up(365, 3)
    first = calm.close[-1]
    returns = np.diff(np.log(wild.close), axis=0, prepend=np.log(wild.close[:1])) * 1.0
    jumps = np.where(np.arange(len(returns))[:, None] % 480 == 7, 0.25, 0.0)
    close = np.concatenate([calm.close, first * np.exp(np.cumsum(returns + jumps, axis=0))])
    time_s = START + HOUR * np.arange(len(close))
    history = PriceHistory(calm.assets, time_s, HOUR, close, close * 1.001, close * 0.999)
    assert not try_history(history).passed


def test_too_short_histories_are_refused():
    with pytest.raises(HistoryError, match="fewer than 90 days"):
        try_history(made_up(120), "2023-02-01")
    with pytest.raises(HistoryError, match="no whole day after"):
        try_history(made_up(200))


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HistoryError, match="no such file"):
        read_history(tmp_path / "none.csv")


def test_parquet_says_what_it_needs_or_reads_the_same(tmp_path):
    path = tmp_path / "h.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(Exception, match=r"pyarrow|Parquet|parquet"):
        read_history(path)


def test_page_shows_every_row_and_marks_failures(result):
    rows = (
        Outcome("good <one>", Bound.WITHIN, 1000, 0.01, 0.005, 0.02, 0.012, True),
        Outcome("bad", Bound.HEDGED, 1000, 0.05, 0.04, 0.06, 0.07, False),
        Outcome("wrong rule", Bound.CONTROL, 1000, 0.5, 0.4, 0.6, 0.7, True),
    )
    text = page(rows, result, 1, "made-up")
    assert "good &lt;one&gt;" in text
    assert text.count("<svg") == 3
    assert "FAIL" in text
    assert "<script" not in text
    assert "http" not in text


def test_cells_do_not_depend_on_the_number_of_workers(monkeypatch):
    monkeypatch.setattr(keeper, "reduced", lambda every: [c for c in every if "lag 4 h" in c.name][:4])
    alone, two = (run_cells(1000, 9, short=True, workers=w) for w in (1, 2))
    assert len(alone) == 4
    assert alone == two
