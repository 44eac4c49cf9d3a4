import numpy as np
import pytest

from risk.errors import RiskInputError
from risk.latency import NEVER, Knots
from risk.mobility import G
from risk.scanfit import (
    TAU_S,
    WINDOW_S,
    bars_of,
    daily_volatility,
    fit_scan_law,
    resolved,
    scan_maxima,
    survival_levels,
    usable_starts,
    window_maxima,
)
from risk.scanlaw import Diffusion, Empirical

HOUR, DAY = 3600.0, 86_400.0


def walk(seed=0, days=400, assets=3, steps=20, vol=0.04):
    """Geometric Brownian bars: close, high, low of hours made of ``steps`` moves each."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, vol / np.sqrt(24 * steps), (days * 24, steps, assets))
    path = np.cumsum(moves.reshape(-1, assets), axis=0).reshape(days * 24, steps, assets)
    return (100 * np.exp(x) for x in (path[:, -1], path.max(axis=1), path.min(axis=1)))


def slow_scan(bars, length, horizon, start, asset):
    """Every pair of bars by the definition."""
    up = down = 0.0
    for s in range(start, start + horizon):
        for e in range(s, min(s + length, start + horizon)):
            up = max(up, bars.high[e, asset] - bars.low[s, asset])
            down = max(down, bars.high[s, asset] - bars.low[e, asset])
    return up, down


@pytest.mark.parametrize("length", [1, 2, 5, 24])
def test_scan_maxima_equal_the_definition(length):
    bars = bars_of(*walk(days=40), HOUR)
    starts = usable_starts(bars, DAY, every=17)
    up, down = scan_maxima(bars, length * HOUR, DAY, starts)
    for i in (0, 5, len(starts) - 1):
        for asset in range(3):
            assert (up[i, asset], down[i, asset]) == pytest.approx(slow_scan(bars, length, 24, starts[i], asset))


@pytest.mark.parametrize("length", [1, 2, 7, 24])
def test_window_maxima_equal_the_definition(length):
    bars = bars_of(*walk(days=40), HOUR)
    starts = usable_starts(bars, DAY, every=29)
    up, down = window_maxima(bars, length * HOUR, starts)
    for i in (0, 3, len(starts) - 1):
        span = slice(starts[i], starts[i] + length)
        assert up[i] == pytest.approx(bars.high[span].max(axis=0) - bars.start[starts[i]])
        assert down[i] == pytest.approx(bars.start[starts[i]] - bars.low[span].min(axis=0))


def test_volatility_looks_only_back_and_holds_its_stressed_part():
    close, high, low = walk(days=120)
    bars = bars_of(close, high, low, HOUR)
    unit = daily_volatility(bars)
    cut = 60 * 24
    later = close.copy()
    later[cut:] *= np.exp(np.linspace(0.3, 3, len(close) - cut))[:, None]
    changed = daily_volatility(bars_of(later, np.fmax(later, high), np.fmin(later, low), HOUR))
    assert (changed[30 * 24 : cut + 1] == unit[30 * 24 : cut + 1]).all()
    assert (changed[cut + 1] > 1.3 * unit[cut + 1]).all()
    assert unit[-1] == pytest.approx(0.04, rel=0.15)
    plain = daily_volatility(bars, stressed_weight=0.0)
    assert (unit[30 * 24 :] >= plain[30 * 24 :]).all()
    assert np.isnan(unit[: 30 * 24]).all()
    warm = plain[30 * 24 :]
    assert unit[30 * 24 :] == pytest.approx(0.75 * warm + 0.25 * np.maximum.accumulate(warm, axis=0))


def test_quiet_times_keep_a_quarter_of_the_worst():
    loud, quiet = walk(days=60, vol=0.08), walk(days=300, vol=0.01)
    joined = [np.concatenate([x, y * x[-1] / 100]) for x, y in zip(loud, quiet, strict=True)]
    unit = daily_volatility(bars_of(*joined, HOUR))
    assert unit[-1] == pytest.approx(0.75 * 0.01 + 0.25 * 0.08, rel=0.15)


def test_on_brownian_bars_the_fit_is_near_the_diffusion():
    close, high, low = walk(seed=3, days=1500, steps=60)
    table = fit_scan_law(close, high, low, HOUR, assets=("x", "y", "z"), source="made up", dates="none")
    law = Empirical(table)
    for hours, bias in ((1, 0.93), (4, 0.975), (24, 1.088)):  # bias of hourly bars on Brownian motion, 20,000 days
        lag = [Knots(np.array([hours * HOUR]), np.ones(1))]
        ratio = G(law, lag, [1.0], [1.0]) / G(Diffusion(), lag, [1.0], [1.0])
        assert ratio == pytest.approx(bias, rel=0.1)


def test_jumps_fatten_the_short_lags():
    close, high, low = (np.array(x) for x in walk(seed=5, days=600))
    for at in np.random.default_rng(1).integers(800, len(close), 40):
        for prices in (close, high, low):
            prices[at:] *= 0.9
        high[at] /= 0.9
    plain = fit_scan_law(*walk(seed=5, days=600), HOUR, assets=("x",) * 3, source="", dates="")
    jumpy = fit_scan_law(close, high, low, HOUR, assets=("x",) * 3, source="", dates="")
    share = [
        G(Empirical(t), [Knots(np.array([HOUR]), np.ones(1))], [1.0], [1.0])
        / G(Empirical(t), [NEVER], [1.0], [1.0])
        for t in (plain, jumpy)
    ]
    assert share[1] > 1.3 * share[0]


def test_missing_bars_keep_the_last_close_and_lose_no_move():
    close, high, low = (np.array(x) for x in walk(days=40))
    for prices in (close, high, low):
        prices[800:804] = np.nan
    bars = bars_of(close, high, low, HOUR)
    assert np.isfinite(bars.high).all()
    assert (bars.close[803] == bars.close[799]).all()
    assert (bars.high[804] >= bars.start[804]).all()
    assert (bars.start[804] == bars.close[799]).all()


def test_levels_put_half_of_the_knots_above_p98():
    levels = survival_levels()
    assert len(levels) == 64
    assert (levels <= 0.02 + 1e-15).sum() == 32
    assert (np.diff(levels) < 0).all()


def test_unusable_history_is_refused():
    close, high, low = (np.array(x) for x in walk(days=40))
    with pytest.raises(RiskInputError, match="warm-up"):
        daily_volatility(bars_of(close[:500], high[:500], low[:500], HOUR))
    with pytest.raises(RiskInputError, match="positive"):
        bars_of(-close, high, low, HOUR)
    with pytest.raises(RiskInputError, match="equal"):
        bars_of(close[:-1], high, low, HOUR)
    with pytest.raises(RiskInputError, match="step_s"):
        bars_of(close, high, low, 0)
    with pytest.raises(RiskInputError, match="multiple"):
        scan_maxima(bars_of(close, high, low, HOUR), 5400.0, DAY, np.array([0]))
    with pytest.raises(RiskInputError, match="does not move"):
        daily_volatility(bars_of(np.ones_like(close), np.ones_like(close), np.ones_like(close), HOUR))
    first_missing = close.copy()
    first_missing[0, 0] = np.nan
    with pytest.raises(RiskInputError, match="first row"):
        bars_of(first_missing, high, low, HOUR)


def test_minute_bars_resolve_the_lags_below_an_hour():
    assert resolved(3600.0) == (TAU_S, WINDOW_S, 1)
    assert resolved(60.0)[0][:4] == (60.0, 300.0, 900.0, 3600.0)
    assert resolved(300.0)[0][:3] == (300.0, 900.0, 3600.0)
    tau_s, window_s, every = resolved(60.0)
    rng = np.random.default_rng(5)
    close = np.exp(np.cumsum(rng.normal(0, 0.04 / np.sqrt(1440), (1440 * 75, 1)), axis=0))
    fitted = fit_scan_law(
        close,
        close,
        close,
        60.0,
        assets=("A",),
        source="s",
        dates="d",
        tau_s=tau_s,
        window_s=window_s,
        every=every,
    )
    law, b = Empirical(fitted), np.array([0.6])
    near, far = (float(law.exceedance(b, np.array([tau]), 86_400.0)[0]) for tau in (60.0, 900.0))
    assert 0 <= near < far < 1
    assert (np.diff(fitted.quantile[:, 10]) > 0).all()
