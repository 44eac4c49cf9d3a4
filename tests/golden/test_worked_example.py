"""Worked example of RISK section 9 and the tables of bridge-latency.md section 4 (kappa = 1, q = 99 %).

Origin: long $1m ETH perp on one chain, short $1m on another, basis volatility 3 % a year; volatilities per year of
365.25 days. Figures of RISK section 9 are held to the dollar, the others to 1e-3 or their last printed digit.
"""

import numpy as np
import pytest

from risk.latency import AT_ONCE, NEVER, Knots
from risk.mobility import G
from risk.scanlaw import Cascade, Diffusion, JumpKind
from risk.unified import interpolated, unified

DAY = 86_400.0
NOTIONAL = 1e6
Z_99 = 2.5758293
COLUMNS = (0, 10, 120, 1200, 3600, 7 * DAY)


def lag(tau_s):
    return AT_ONCE if tau_s == 0 else Knots(np.array([float(tau_s)]), np.ones(1))


def buffer(law, tau_s, horizon_s=DAY):
    return G(law, [lag(tau_s)], [1.0], [1.0], horizon_s)


def laws(vol):
    sigma = vol / np.sqrt(365.25)
    return sigma, {
        "gbm": Diffusion(),
        "cascades": Cascade(sigma, (JumpKind(24, 0, 0.04, 1800),)),
        "gaps": Cascade(sigma, (JumpKind(24, 0, 0.04, 0),)),
    }


# bridge-latency.md section 4: isolated, portfolio, then 0 s, 10 s, 2 min, 20 min, 1 h, 7 d
TABLE = {
    (0.6, "gbm"): (161_735, 4_043, 4_043, 7_582, 15_149, 35_356, 54_733, 161_735),
    (0.6, "cascades"): (169_714, 4_043, 4_043, 7_586, 15_247, 58_029, 85_277, 169_714),
    (0.6, "gaps"): (169_714, 4_043, 4_043, 84_256, 84_288, 84_596, 85_277, 169_714),
    (1.2, "gbm"): (323_469, 4_043, 4_043, 11_211, 26_539, 67_472, 106_723, 323_469),
    (1.2, "cascades"): (327_605, 4_043, 4_043, 11_212, 26_547, 71_714, 112_980, 327_605),
    (1.2, "gaps"): (327_605, 4_043, 4_043, 85_209, 85_336, 86_670, 112_980, 327_605),
}
TO_THE_DOLLAR = {(0.6, "gbm"), (0.6, "gaps")}


@pytest.mark.parametrize(("vol", "name"), TABLE)
def test_table_of_dollars(vol, name):
    sigma, by_name = laws(vol)
    law = by_name[name]
    day = G(law, [NEVER], [1.0], [1.0])
    iso = 2 * NOTIONAL * sigma * day
    net = NOTIONAL * 0.03 / np.sqrt(365.25) * Z_99
    row = [iso, net, *(interpolated(iso, net, min(1.0, buffer(law, tau) / day)) for tau in COLUMNS)]
    expected = np.array(TABLE[vol, name], float)
    assert np.allclose(row, expected, rtol=1e-3, atol=0)
    if (vol, name) in TO_THE_DOLLAR:
        assert np.abs(np.array(row) - expected).max() <= 0.5


def test_layer_cake_gives_the_same_dollars():
    leg = NOTIONAL * 0.6 / np.sqrt(365.25) * buffer(Diffusion(), DAY)
    basis = NOTIONAL * 0.03 / np.sqrt(365.25) * Z_99
    losses = np.array([[leg, -leg + basis], [-leg + basis, leg]])
    g = buffer(Diffusion(), 1200) / buffer(Diffusion(), DAY)
    found = unified(losses, np.array([[0, g], [g, 0]]))
    assert (round(float(found.iso)), round(float(found.net)), round(float(found.uni))) == (161_735, 4_043, 35_356)
    assert found.local_floor == pytest.approx([g * leg, g * leg])


# RISK section 9 (four digits), bridge-latency.md section 4 (three digits), H = 24 h
@pytest.mark.parametrize(
    ("tau_s", "g", "digit"),
    [
        (10, 0.0224, 1e-4),
        (30, 0.0373, 1e-4),
        (120, 0.0704, 1e-4),
        (600, 0.1458, 1e-4),
        (1200, 0.1986, 1e-4),
        (3600, 0.3214, 1e-4),
        (6 * 3600, 0.677, 1e-3),
        (12 * 3600, 0.869, 1e-3),
        (DAY, 1.0, 1e-12),
        (1e-3, 0.0003, 1e-4),
        (DAY - 1, 1.0, 1e-4),
    ],
)
def test_g_of_diffusion(tau_s, g, digit):
    assert buffer(Diffusion(), tau_s) / buffer(Diffusion(), DAY) == pytest.approx(g, abs=0.51 * digit)


@pytest.mark.parametrize(
    ("horizon_s", "tau_s", "g"),
    [(3600, 10, 0.096), (3600, 120, 0.292), (3600, 1200, 0.755),
     (14_400, 10, 0.051), (14_400, 120, 0.158), (14_400, 1200, 0.432)],
)  # fmt: skip
def test_g_at_other_horizons(horizon_s, tau_s, g):
    share = buffer(Diffusion(), tau_s, horizon_s) / buffer(Diffusion(), horizon_s, horizon_s)
    assert share == pytest.approx(g, abs=0.51e-3)


@pytest.mark.parametrize(("tau_s", "g"), [(1e-6, 0.4842), (1e-3, 0.4842), (10, 0.4842), (3600, 0.4903)])
def test_gap_floor(tau_s, g):
    gaps = laws(0.6)[1]["gaps"]
    assert buffer(gaps, tau_s) / buffer(gaps, DAY) == pytest.approx(g, abs=1e-4)


def test_diffusion_g_does_not_depend_on_volatility():
    for ratio in (0.3, 1.0, 5.0):
        scaled = [G(Diffusion(), [lag(t)], [1.0], [ratio]) for t in (1200, DAY)]
        assert scaled[0] / scaled[1] == pytest.approx(0.1986, abs=1e-4)


# bridge-latency.md section 4, accuracy of p(): Monte Carlo of 4000 Brownian paths at 60 % (b99 in per cent)
@pytest.mark.parametrize(("tau_s", "b_percent"), [(3600, 2.5995), (1200, 1.6058)])
def test_b99_of_the_scan_formula(tau_s, b_percent):
    assert 100 * 0.6 / np.sqrt(365.25) * buffer(Diffusion(), tau_s) == pytest.approx(b_percent, abs=5.1e-5)
