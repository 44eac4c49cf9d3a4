"""The sets of the settings reach the report, each alone and side by side."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.model import load_model
from aggregator.reports import ReportMaker
from aggregator.scenario_rows import near_a_threshold
from oracles.params import load_params
from tests.kit.world import CHAINS, holding, loan, perp, registry, report

BOOK = [
    loan(CHAINS[0], "20", "40000"),
    perp(CHAINS[1], "-15", "30000"),
    holding(CHAINS[1], "USDC", "5000", "0.01"),
]


def maker(*sets: str, history=None, tails="always") -> ReportMaker:
    chosen = ModelSettings(bridges=("across",), scenario_sets=sets, history=history, tails=tails)
    return ReportMaker(
        registry(), load_model(chosen, CHAINS), load_params(), dict(zip(CHAINS, ("one", "two"), strict=True))
    )


@pytest.fixture
def bars(tmp_path):
    rng, start = np.random.default_rng(4), datetime(2025, 1, 1, tzinfo=UTC)
    close = 3000 * np.exp(np.cumsum(rng.standard_t(4, 3000) * 0.005))
    lines = [f"{start + timedelta(hours=i):%Y-%m-%d %H:%M},{p},{p},{p}" for i, p in enumerate(close)]
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(["time_utc,ETH_close,ETH_high,ETH_low", *lines]))
    return path


def test_several_sets_ask_for_the_most_that_any_of_them_does(bars):
    names = ("grid", "stress", "copula", "fhs")
    alone = {name: report(BOOK, made_by=maker(name, history=bars)) for name in names}
    together = report(BOOK, made_by=maker(*names, history=bars))
    assert together.model.id == "grid_v1+stress+copula+fhs+empirical".replace(
        "grid_v1", maker("grid").model.grid.id
    )
    for figure in ("isolated_buffer_usd", "netted_buffer_usd"):
        each = [getattr(made, figure) for made in alone.values()]
        assert all(amount > 0 for amount in each)
        assert getattr(together, figure) >= max(each) - Decimal("0.01")
    netted = max(made.netted_buffer_usd for made in alone.values())
    assert together.netted_buffer_usd == pytest.approx(netted, abs=Decimal("0.01"))
    assert len({made.model.params_hash for made in (*alone.values(), together)}) == 5


def test_the_order_of_buffers_holds_for_every_choice(bars):
    for sets in (("stress",), ("copula",), ("fhs",), ("copula", "grid"), ("fhs", "stress")):
        made = report(BOOK, made_by=maker(*sets, history=bars))
        assert made.netted_buffer_usd <= made.unified_buffer_usd <= made.isolated_buffer_usd
        assert made.worst_scenario.label
        assert made.addons.depeg_basis_usd >= 0


def test_a_factor_without_a_history_has_no_figures_under_fhs(bars):
    made = report([*BOOK, holding(CHAINS[0], "WBTC", "1")], made_by=maker("fhs", history=bars))
    assert made.unified_buffer_usd is None
    assert any("BTC" in line.reason for line in made.data_quality.degraded)


@pytest.mark.parametrize(
    ("sets", "says"), [(("fhs",), "model.history: the set fhs needs"), (("grid", "grid"), "names a set twice")]
)
def test_a_choice_that_cannot_be_made_is_named(sets, says):
    with pytest.raises(ConfigError, match=says):
        maker(*sets)


def test_far_from_a_threshold_the_grid_is_enough_and_the_report_says_so(bars):
    names = ("grid", "copula", "fhs")
    safe = [loan(CHAINS[0], "20", "100"), holding(CHAINS[1], "USDC", "500000", "0.01")]
    every, screened = (report(safe, made_by=maker(*names, history=bars, tails=how)) for how in ("always", "near"))
    assert (every.model.tails, screened.model.tails) == ("full", "screened")
    alone = report(safe, made_by=maker("grid"))
    assert alone.model.tails == "none"
    assert screened.isolated_buffer_usd == alone.isolated_buffer_usd
    assert screened.netted_buffer_usd == alone.netted_buffer_usd
    assert every.model.params_hash != screened.model.params_hash


def test_near_a_threshold_screening_changes_no_figure(bars):
    names = ("grid", "copula", "fhs")
    every, screened = (report(BOOK, made_by=maker(*names, history=bars, tails=how)) for how in ("always", "near"))
    assert screened.model.tails == "full"
    apart = {"id", "model", "inputs_hash"}
    assert screened.model_dump(exclude=apart) == every.model_dump(exclude=apart)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whoever_is_left_out_and_all_beside_it_can_lose_the_grid_twice(seed):
    rng = np.random.default_rng(seed)
    surplus, loss = rng.uniform(-10, 100, 12), rng.normal(0, 20, (12, 9))
    groups = [np.array(rows) for rows in ([0, 1, 2], [2, 3], [4], [5, 6, 7, 8], [9, 10, 11])]
    near = near_a_threshold(surplus, loss, groups)
    assert (surplus[~near] >= 2 * np.maximum(loss[~near].max(axis=1), 0)).all()
    for rows in groups:
        if not near[rows].all():
            assert surplus[rows].sum() >= 2 * max(0.0, loss[rows].sum(axis=0).max())
            assert not near[rows].any()
