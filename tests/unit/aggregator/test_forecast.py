"""The volatility that breach probabilities walk with: from the history while it is fresh, else the long run."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.forecast import OLDEST_S, VolForecast, forecast, load_forecast
from aggregator.model import load_model
from aggregator.reports import ReportMaker
from oracles.params import load_params
from risk.tailtest import ewma_sigma
from tests.kit.market import some_factors
from tests.kit.world import CHAINS, NOW_S, loan, registry, report

DAY_S = 86_400


def history(path, sigma_hour, days=700, end_s=NOW_S - 3600, burst=1.0):
    """Hourly bars of ETH whose last 20 days move ``burst`` times as much."""
    rng = np.random.default_rng(9)
    moves = rng.standard_normal(days * 24) * sigma_hour
    moves[-20 * 24 :] *= burst
    close = 3000 * np.exp(np.cumsum(moves))
    start = datetime.fromtimestamp(end_s, UTC) - timedelta(hours=len(close))
    lines = [f"{start + timedelta(hours=i):%Y-%m-%d %H:%M:%S},{p},{p},{p}" for i, p in enumerate(close)]
    path.write_text("\n".join(["time_utc,ETH_close,ETH_high,ETH_low", *lines]))
    return path, close


def made(path, law):
    settings = ModelSettings(bridges=("across",), history=path, volatility=law)
    names = dict(zip(CHAINS, ("one", "two"), strict=True))
    maker = ReportMaker(registry(), load_model(settings, CHAINS), load_params(), names)
    return report([loan(CHAINS[0], "20", "40000")], made_by=maker)


def within_a_day(found):
    return found.venues[0].breach_probability["24h"]


def test_ewma_is_the_estimator_of_the_calibration(tmp_path):
    path, close = history(tmp_path / "h.csv", 0.004)
    found = load_forecast(ModelSettings(history=path, volatility="ewma"))
    daily = np.diff(np.log(close[::-1][::24][::-1]))
    assert found.until_s == NOW_S - 3600
    # ewma_sigma starts from the same mean square and forecasts each day from those before
    assert found.sigma_day["ETH"] == pytest.approx(ewma_sigma(np.append(daily, 0.0))[-1], rel=1e-9)


@pytest.mark.parametrize("law", ["ewma", "garch"])
def test_a_wilder_market_makes_a_breach_likelier(tmp_path, law):
    calm, _ = history(tmp_path / "calm.csv", 0.004)
    wild, _ = history(tmp_path / "wild.csv", 0.004, burst=3.0)
    quiet, loud = made(calm, law), made(wild, law)
    assert quiet.model.volatility == loud.model.volatility == law
    assert within_a_day(quiet) < within_a_day(loud)
    assert quiet.model.params_hash != loud.model.params_hash
    assert quiet.mm_requirement_usd is not None


def test_an_old_history_is_not_used_and_the_report_says_so(tmp_path):
    old, _ = history(tmp_path / "old.csv", 0.012, end_s=NOW_S - OLDEST_S - DAY_S)
    found = made(old, "ewma")
    assert found.model.volatility == "long_run"
    assert within_a_day(found) == within_a_day(made(old, "long_run"))
    (line,) = [line for line in found.data_quality.degraded if line.what == "breach probabilities"]
    assert line.reason == "the price history ends 3.0 days ago: long-run volatility instead of ewma"


def test_a_forecast_is_floored_and_a_factor_without_one_keeps_its_long_run():
    factors = some_factors()
    name = factors.names[0]
    told = VolForecast("ewma", NOW_S, {name: 1e-9})
    assert told.sigma(factors) == pytest.approx([0.25 * factors.sigma_day[0], *factors.sigma_day[1:]])
    assert not told.holds(NOW_S - 1)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"volatility": "ewma"}, r"model\.history: volatility 'ewma' needs"),
     ({"volatility": "garch"}, r"model\.history: volatility 'garch' needs")],
)  # fmt: skip
def test_a_forecast_without_a_history_is_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        load_model(ModelSettings(**settings), CHAINS)


def test_a_short_history_is_named(tmp_path):
    path, _ = history(tmp_path / "h.csv", 0.004, days=20)
    with pytest.raises(ConfigError, match=r"model\.history: ETH has 19 days, needs more than 30"):
        load_forecast(ModelSettings(history=path, volatility="ewma"))


def test_the_garch_forecast_returns_to_the_long_run():
    rng = np.random.default_rng(3)
    calm = rng.standard_normal(1500) * 0.03
    after = np.append(calm, [0.15, -0.14, 0.16])
    assert forecast("garch", "ETH", after) > 1.05 * forecast("garch", "ETH", calm)
