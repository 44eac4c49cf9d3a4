"""The sets of the settings reach the report, each alone and side by side."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.model import load_model
from aggregator.reports import ReportMaker
from oracles.params import load_params
from tests.kit.world import CHAINS, holding, loan, perp, registry, report

BOOK = [
    loan(CHAINS[0], "20", "40000"),
    perp(CHAINS[1], "-15", "30000"),
    holding(CHAINS[1], "USDC", "5000", "0.01"),
]


def maker(*sets: str, history=None) -> ReportMaker:
    settings = ModelSettings(bridges=("across",), scenario_sets=sets, history=history)
    return ReportMaker(
        registry(), load_model(settings, CHAINS), load_params(), dict(zip(CHAINS, ("one", "two"), strict=True))
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
