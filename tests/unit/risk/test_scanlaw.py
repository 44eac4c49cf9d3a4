from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from risk.errors import RiskInputError
from risk.scanlaw import Cascade, Diffusion, Empirical, JumpKind
from risk.scantable import ScanTable, load_scan_table

DAY = 86_400.0
TABLE = load_scan_table()


def test_diffusion_at_the_horizon_is_the_running_maximum():
    b = np.array([2.0, 2.5758, 3.5])
    assert Diffusion().exceedance(b, DAY, DAY) == pytest.approx(2 * ndtr(-b))


def test_units_are_daily_volatilities():
    assert Diffusion().exceedance(3.0, 3600.0, DAY, 2.0) == pytest.approx(
        Diffusion().exceedance(1.5, 3600.0, DAY, 1.0)
    )
    tripled = Cascade(0.03, ()).exceedance(3.0, 3600.0, DAY, 3.0)
    assert tripled == pytest.approx(Diffusion().exceedance(1.0, 3600.0, DAY))


@pytest.mark.parametrize("law", [Diffusion(), Cascade(0.03, (JumpKind(24, 0, 0.04, 0),)), Empirical(TABLE)])
def test_edges(law):
    assert law.exceedance(0.0, 0.0, DAY) == 0
    assert law.exceedance(1.0, 0.0, DAY) == 0
    assert law.exceedance(0.0, 10.0, DAY) == 1
    assert law.exceedance(-1.0, 0.0, DAY) == 1
    assert law.exceedance(2.0, np.inf, DAY) == law.exceedance(2.0, DAY, DAY)
    assert law.exceedance(np.array([[1.0], [2.0]]), np.array([60.0, 600.0, 6000.0]), DAY).shape == (2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Diffusion().exceedance(np.nan, 1.0, DAY),
        lambda: Diffusion().exceedance(1.0, -1.0, DAY),
        lambda: Diffusion().exceedance(1.0, 1.0, 0.0),
        lambda: Diffusion().exceedance(1.0, 1.0, DAY, 0.0),
        lambda: Empirical(TABLE).exceedance(1.0, 1.0, 3600.0),
        lambda: Cascade(0.0, ()),
        lambda: JumpKind(-1, 0, 0, 0),
    ],
)
def test_domain_is_checked(call):
    with pytest.raises(RiskInputError):
        call()


def test_empirical_meets_its_knots():
    law = Empirical(TABLE)
    for row, tau in enumerate(TABLE.tau_s):
        distinct = np.diff(TABLE.quantile[row], append=np.inf) > 0  # of tied knots the rarest counts
        found = law.exceedance(TABLE.quantile[row], tau, DAY)
        assert found[distinct] == pytest.approx(TABLE.survival[distinct], rel=1e-9)


def test_empirical_is_log_log_between_lags():
    between = np.exp(TABLE.log_quantiles(np.array(np.sqrt(3600.0 * 7200.0))))
    assert between == pytest.approx(np.sqrt(TABLE.quantile[0] * TABLE.quantile[1]))


def test_below_the_data_the_slope_goes_on_and_never_beats_the_square_root():
    short = np.exp(TABLE.log_quantiles(np.array(36.0)))
    slope = np.log(TABLE.quantile[1] / TABLE.quantile[0]) / np.log(2)
    assert (TABLE.short_slope() == np.clip(slope, 0, 0.5)).all()
    continued = TABLE.quantile[0] * (36.0 / 3600.0) ** TABLE.short_slope()
    assert short == pytest.approx(np.maximum.accumulate(continued))
    assert (short >= TABLE.quantile[0] * np.sqrt(36.0 / 3600.0) * (1 - 1e-12)).all()


def test_steep_short_lags_are_held_to_the_square_root():
    steep = np.array(TABLE.quantile)
    steep[0] /= 3
    table = replace(TABLE, quantile=steep)
    assert (table.short_slope() == 0.5).all()
    assert np.exp(table.log_quantiles(np.array(900.0))) == pytest.approx(steep[0] / 2)


def test_beyond_the_last_knot_a_power_tail_goes_on():
    law, last = Empirical(TABLE), TABLE.quantile[-1, -1]
    p = law.exceedance(np.array([last, 2 * last, 4 * last]), DAY, DAY)
    assert p[0] == pytest.approx(TABLE.survival[-1])
    assert p[1] / p[2] == pytest.approx(2 ** TABLE.tail_index())
    assert 1.5 <= TABLE.tail_index() <= 6


def test_horizon_scale():
    scale = TABLE.horizon_scale(np.array([0.0, 1.0, 60.0, 3600.0, DAY, 7 * DAY, 30 * DAY]))
    assert scale[0] == 0
    assert scale[4] == pytest.approx(1.0)
    assert (np.diff(scale) > 0).all()
    assert scale[2] >= scale[3] * np.sqrt(1 / 60) * (1 - 1e-12)
    assert scale[6] >= scale[5] * np.sqrt(30 / 7) * (1 - 1e-12)
    assert TABLE.horizon_scale(7 * DAY, base_s=7 * DAY) == pytest.approx(1.0)
    with pytest.raises(RiskInputError, match="h_s"):
        TABLE.horizon_scale(-1.0)


def test_table_survives_its_text_form():
    again = ScanTable.from_json(TABLE.to_json())
    assert (again.quantile == TABLE.quantile).all()
    assert again.assets == TABLE.assets
    with pytest.raises(RiskInputError, match="fields"):
        ScanTable.from_json(TABLE.to_json().replace('"dates"', '"date"'))


def test_table_is_read_only_and_checked():
    with pytest.raises(ValueError, match="read-only"):
        TABLE.quantile[0, 0] = 1
    broken = np.array(TABLE.quantile)
    broken[2, 5] = broken[1, 5] / 2
    with pytest.raises(RiskInputError, match="increasing"):
        replace(TABLE, quantile=broken)


def test_shipped_table_says_where_it_comes_from():
    assert TABLE.dates == "2021-04-04/2022-12-31"
    assert "USDC" not in TABLE.assets
    assert len(TABLE.assets) == 9
    assert TABLE.quantile.shape == (6, 64)
    assert (TABLE.survival <= 0.02).sum() == 32
    assert "Binance" in TABLE.source


# RISK section 5: fitted on 2021, tried on 2022, target 1 % of days
def test_shipped_figures_out_of_sample():
    figures = TABLE.figures["out_of_sample"]
    for lag in ("1h", "4h", "24h"):
        rates = figures["empirical_2022"][lag]
        assert all(0.0005 <= rate["mean"] <= 0.015 for rate in rates.values())
        assert all(rate["worst_asset"] <= 0.03 for rate in rates.values())
    control = figures["diffusion_kappa_1.10_2022"]["1h"]
    assert min(rate["mean"] for rate in control.values()) > 0.05
