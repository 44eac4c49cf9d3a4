"""Published figures; each with its origin."""

import numpy as np
import pytest

from risk.arrays import FactorArrays, Kind
from risk.black76 import option_greeks, option_price
from risk.distance import distance_to_liquidation
from risk.scenarios import VolShock, vol_multiplier
from tests.kit.market import accounts_of, instruments_of, one_instrument

PM2_MAINNET = VolShock(up=0.5, down=0.3, short_power=0.3, long_power=0.13, dte_floor_days=1.0)


def numbers(*values: float) -> list[np.float64]:
    return [np.float64(value) for value in values]


def test_hull_option_price():
    """Hull, Options, Futures, and Other Derivatives, example 15.6: S 42, K 40, r 10 %, σ 20 %, half a year."""
    terms = numbers(42, 40, 0.5, 0.2, 0.1)
    assert float(option_price(True, *terms)) == pytest.approx(4.76, abs=0.005)
    assert float(option_price(False, *terms)) == pytest.approx(0.81, abs=0.005)


def test_hull_black_model():
    """Hull, Black's model on futures: F 20, K 20, r 9 %, σ 25 %, four months: put 1.12 (spot = F·e^(-rT))."""
    discount = np.exp(-0.09 * 4 / 12)
    put = option_price(False, *numbers(20 * discount, 20, 4 / 12, 0.25, 0.09))
    assert float(put) == pytest.approx(1.12, abs=0.005)


def test_hull_greeks():
    """Hull, chapter on the Greek letters: S 49, K 50, r 5 %, σ 20 %, 20 weeks."""
    greeks = option_greeks(True, *numbers(49, 50, 0.3846, 0.2, 0.05))
    assert float(greeks.delta) == pytest.approx(0.522, abs=0.0005)
    assert float(greeks.gamma) == pytest.approx(0.066, abs=0.0005)
    assert float(greeks.vega) == pytest.approx(12.1, abs=0.05)
    assert float(greeks.theta) == pytest.approx(-4.31, abs=0.005)
    assert float(greeks.rho) == pytest.approx(8.91, abs=0.005)


def test_liquidation_prices_of_the_worked_toy():
    """Cross-margin perp short and Aave long of the reference on margin models, section 5 (prices to a cent)."""
    rows = [one_instrument(Kind.FIXED), one_instrument(Kind.PERP, 3000.0), one_instrument(Kind.SPOT, 3000.0)]
    factors = FactorArrays(("ETH",), np.array([0.04]), np.array([False]), (), np.array([]))
    equity = [[6000 + 30_000, -10, 0], [0, 0, 8.3]]
    book = accounts_of(instruments_of(*rows), equity, [[0, 0.2, 0], [15_000, 0, 0]], factors)
    assert book.surplus[0] == pytest.approx(5400.0)
    price = 3000 * (1 + distance_to_liquidation(book, "crypto").move)
    assert price == pytest.approx([3529.41, 1807.23], abs=0.005)


def test_pm2_vol_multipliers():
    """Derive PM2: m = (30 d / max(T, 1 d))^p, p 0.30 up to 30 days, 0.13 beyond.

    30^0.30 = 2.774191, 3^0.30 = 1.390389, 0.25^0.13 = 0.835088 by hand calculator.
    """
    days = np.array([0.5, 10.0, 30.0, 120.0])
    got = vol_multiplier(PM2_MAINNET, days * 86400, np.array([1, -1], dtype=np.int32))
    assert got[:, 0] == pytest.approx([2.387096, 1.695195, 1.5, 1.417544], abs=1e-6)
    assert got[:, 1] == pytest.approx([0.167743, 0.582883, 0.7, 0.749474], abs=1e-6)
