from dataclasses import replace

import numpy as np
import pytest

from risk.errors import RiskInputError
from risk.latency import (
    EMPIRICAL_STRESS,
    MODEL_STRESS,
    NEVER,
    REACT_S,
    Knots,
    Lognormal,
    Reaction,
    StressState,
    default_stress,
)
from risk.mobility import G, account_g, g_matrix, mobility
from risk.routes import load_routes
from risk.scanlaw import Cascade, Diffusion, Empirical, JumpKind
from risk.scantable import load_scan_table

CHAINS = ("eip155:1", "eip155:42161", "eip155:10", "eip155:8453")
ROUTES = load_routes()
EMPIRICAL = Empirical(load_scan_table())


def only(bridge, routes=ROUTES):
    return [r for r in routes if r.bridge == bridge]


def test_matrix_is_symmetric_shares_with_zero_diagonal():
    g = g_matrix(CHAINS, ROUTES, EMPIRICAL)
    assert (g == g.T).all()
    assert (np.diag(g) == 0).all()
    off = g[~np.eye(4, dtype=bool)]
    assert ((off > 0) & (off < 1)).all()


def test_no_route_is_one_and_one_way_is_not_enough():
    assert g_matrix(CHAINS[:2], [], Diffusion()).tolist() == [[0, 1], [1, 0]]
    one_way = [r for r in ROUTES if (r.source, r.destination) == CHAINS[:2]]
    assert g_matrix(CHAINS[:2], one_way, Diffusion())[0, 1] == 1
    assert g_matrix((*CHAINS[:1], "eip155:999"), ROUTES, Diffusion())[0, 1] == 1


def test_canonical_alone_is_one():
    assert g_matrix(CHAINS[1:3], only("canonical"), Diffusion(), kappa=1.0)[0, 1] == pytest.approx(1.0, abs=1e-12)


def test_outage_acts_at_once():
    fast, rest = only("across"), only("ccip")
    open_g = g_matrix(CHAINS, fast + rest, EMPIRICAL)[0, 1]
    assert g_matrix(CHAINS, fast + rest, EMPIRICAL, paused={"across"})[0, 1] > open_g
    assert g_matrix(CHAINS, fast + rest, EMPIRICAL, paused={"across", "ccip"})[0, 1] == 1
    halted = g_matrix(CHAINS, ROUTES, EMPIRICAL, paused={CHAINS[1]})
    assert halted[1].tolist() == [1, 0, 1, 1]
    assert halted[0, 2] < 1


def test_more_routes_never_raise_g():
    some = g_matrix(CHAINS, only("ccip"), EMPIRICAL)
    assert (g_matrix(CHAINS, ROUTES, EMPIRICAL) <= some).all()


def test_slower_people_raise_g():
    by_person = [
        g_matrix(CHAINS, ROUTES, EMPIRICAL, reaction=Reaction(react_s=s))[0, 1] for s in sorted(REACT_S.values())
    ]
    assert by_person == sorted(by_person)
    assert by_person[0] < by_person[1] < by_person[2]


def test_kappa_scales_up_to_one():
    plain, wide = (g_matrix(CHAINS, ROUTES, EMPIRICAL, kappa=k) for k in (1.0, 1.1))
    assert np.allclose(wide, np.minimum(1, 1.1 * plain))
    with pytest.raises(RiskInputError, match="kappa"):
        g_matrix(CHAINS, ROUTES, EMPIRICAL, kappa=0.9)


def test_slow_per_cent_and_not_the_median_sets_g():
    # bridge-latency.md section 4: Across L2 median only .032, whole mixture .25
    lag = Knots(np.array([20.0]), np.ones(1))
    median = G(Diffusion(), [lag], [1.0], [1.0]) / G(Diffusion(), [NEVER], [1.0], [1.0])
    law = replace(only("across")[0].law, body=Lognormal(3.0, 0.25))
    mixture = G(Diffusion(), [law.knots().shifted(19.0)], [1.0], [1.0]) / G(Diffusion(), [NEVER], [1.0], [1.0])
    assert median == pytest.approx(0.032, abs=0.002)
    assert 0.2 < mixture < 0.3


# bridge-latency.md section 4, "Routes": full law x kappa with cascades, 60 %; slow-path weights are assumptions
@pytest.mark.parametrize(
    ("bridge", "source", "expected"),
    [
        ("across", 42161, 0.246),
        ("cctp_v2_fast", 42161, 0.159),
        ("stargate_taxi", 42161, 0.183),
        ("cctp_v2_standard", 1, 0.523),
        ("ccip", 42161, 0.560),
        ("canonical", 42161, 1.0),
    ],
)
def test_default_routes_come_out_near_the_prototype(bridge, source, expected):
    law = Cascade(0.6 / np.sqrt(365.25), (JumpKind(24, 0, 0.04, 1800),))
    found = mobility(CHAINS, only(bridge), law)
    assert found.between(f"eip155:{source}", "eip155:8453")[0].g == pytest.approx(expected, rel=0.1)


def test_state_of_stress_belongs_to_the_law():
    assert default_stress(EMPIRICAL) == EMPIRICAL_STRESS
    assert default_stress(Diffusion()) == MODEL_STRESS
    assert (EMPIRICAL_STRESS.weight, EMPIRICAL_STRESS.volatility_factor) == (0.25, 1.0)
    assert (MODEL_STRESS.weight, MODEL_STRESS.volatility_factor) == (0.02, 3.0)


def test_more_stress_never_lowers_g():
    calm = mobility(CHAINS, ROUTES, EMPIRICAL, stress=StressState(0.0, 1.8, 5.0, 1.0)).g
    assert (mobility(CHAINS, ROUTES, EMPIRICAL).g >= calm).all()


def test_matrix_equals_G_route_by_route():
    found = mobility(CHAINS, only("across"), EMPIRICAL)
    lag = found.between(*CHAINS[:2])[0]
    states = ([lag.calm, lag.stress], [0.75, 0.25], [1.0, 1.0])
    day = G(EMPIRICAL, [NEVER, NEVER], *states[1:])
    assert lag.g == pytest.approx(1.1 * G(EMPIRICAL, *states) / day, rel=1e-12)


def test_accounts_inherit_the_g_of_their_chains():
    g = np.array([[0, 0.3], [0.3, 0]])
    assert account_g(g, [0, 1, 1]).tolist() == [[0, 0.3, 0.3], [0.3, 0, 0], [0.3, 0, 0]]


def test_G_refuses_weights_and_confidence():
    with pytest.raises(RiskInputError, match="weights_by_state"):
        G(Diffusion(), [NEVER], [0.5], [1.0])
    with pytest.raises(RiskInputError, match="q"):
        G(Diffusion(), [NEVER], [1.0], [1.0], q=1.0)
    with pytest.raises(RiskInputError, match="fitted for 86400"):
        G(EMPIRICAL, [NEVER], [1.0], [1.0], horizon_s=3600.0)
    with pytest.raises(RiskInputError, match="each once"):
        g_matrix(("eip155:1", "eip155:1"), ROUTES, Diffusion())
