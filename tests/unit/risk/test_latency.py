import numpy as np
import pytest

from risk.errors import ParameterError, RiskInputError
from risk.latency import (
    AT_ONCE,
    MODEL_STRESS,
    NEVER,
    OUTAGE,
    REACT_S,
    Knots,
    LatencyLaw,
    Lognormal,
    StressState,
    cure_lag,
    mix,
)
from risk.routes import Route, load_routes, parse_routes

LAW = LatencyLaw(Lognormal(10.0, 0.5), slow_weight=0.01, slow=Lognormal(9000.0, 0.25))


def test_knots_are_64_with_half_above_p98():
    knots = LAW.knots()
    assert len(knots.tau_s) == 64
    assert knots.weight.sum() == pytest.approx(1.0)
    assert (np.cumsum(knots.weight) > 0.98).sum() >= 32
    assert (np.diff(knots.tau_s[:-1]) >= 0).all()


def test_pause_has_its_exact_weight_at_infinity():
    slow, outage, pause = LAW.bad_weights()
    assert (slow, pause) == (0.01, pytest.approx(0.2 * 2 / 365.25))
    assert outage == pytest.approx(1 - np.exp(-2 * (86_400 + 6_960) / (365.25 * 86_400)))
    assert LAW.knots().weight[-1] == pytest.approx(pause)
    assert LAW.knots(MODEL_STRESS).weight[-1] == pytest.approx(5 * pause)
    assert 1 - LAW.probability_within(np.inf) == pytest.approx(pause)


def test_knots_follow_the_mixture():
    slow, outage, pause = LAW.bad_weights()

    def exact(t):
        body = (1 - slow - outage - pause) * LAW.body.cdf(t) + slow * LAW.slow.cdf(t)
        return float(body + outage * OUTAGE.cdf(t - 10.0))

    for t in (5.0, 10.0, 30.0, 3600.0, 9000.0, 20_000.0):
        assert LAW.probability_within(t) == pytest.approx(exact(np.array(t)), abs=0.02)
        assert 1 - LAW.probability_within(t) == pytest.approx(1 - exact(np.array(t)), abs=0.016)
    for p in (0.985, 0.99, 0.995):
        assert exact(np.array(LAW.quantile(p))) == pytest.approx(p, abs=2e-3)


def test_quantile_is_monotone_and_reaches_never():
    assert LAW.quantile(0.5) == pytest.approx(10.0, rel=0.05)
    assert LAW.quantile(0.99) > 1000
    assert LAW.quantile(1.0) == np.inf


def test_stress_is_later_everywhere():
    calm, bad = LAW.knots(), LAW.knots(MODEL_STRESS)
    for t in np.geomspace(1, 1e6, 60):
        assert bad.probability_within(t) <= calm.probability_within(t) + 1e-12
    assert bad.quantile(0.5) == pytest.approx(1.8 * calm.quantile(0.5), rel=0.1)


def test_heavy_weights_never_exceed_one_under_stress():
    law = LatencyLaw(Lognormal(10, 0.5), slow_weight=0.5, slow=Lognormal(100, 0.1))
    knots = law.knots(MODEL_STRESS)
    assert knots.weight.sum() == pytest.approx(1.0)
    assert knots.quantile(0.02) > 100


def test_challenge_delays_everything_and_pause_ends_nothing():
    delayed = LatencyLaw(Lognormal(10, 0.5), challenge_s=604_800).knots()
    assert delayed.tau_s[0] > 604_800
    assert LAW.paused().quantile(0.01) > 1e11


def test_cure_lag_adds_up_and_stops_at_zero():
    one = Knots(np.array([10.0, np.inf]), np.array([0.5, 0.5]))
    lag = cure_lag(one, 12, 3, 2, 12, 4)
    assert lag.tau_s.tolist() == [35.0, np.inf]
    assert cure_lag(one, 0, 0, 0, 0, 50).tau_s.tolist() == [0.0, np.inf]
    assert cure_lag(AT_ONCE).tau_s.tolist() == [12 + 3 + 2 + 2]
    assert REACT_S == {"keeper": 3, "on_call": 900, "unattended": 28_800}


def test_mixture_weighs_states():
    both = mix(((0.75, AT_ONCE), (0.25, NEVER)))
    assert both.probability_within(0.0) == pytest.approx(0.75)
    assert both.probability_within(np.inf) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("tau", "weight"),
    [([1.0], [0.5]), ([-1.0], [1.0]), ([np.nan], [1.0]), ([1.0, 2.0], [1.0]), ([], []), ([1.0, 2.0], [1.5, -0.5])],
)
def test_knots_refuse(tau, weight):
    with pytest.raises(RiskInputError, match="Knots"):
        Knots(np.array(tau), np.array(weight))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: LatencyLaw(Lognormal(10, 0.5), slow_weight=1.0),
        lambda: LatencyLaw(Lognormal(10, 0.5), slow_weight=-0.1),
        lambda: LatencyLaw(Lognormal(10, 0.5), pauses_per_year=np.nan),
        lambda: Lognormal(0, 0.5),
        lambda: Lognormal.from_quartiles(5, 4, 6),
        lambda: StressState(0.1, 0.5, 5, 3),
        lambda: StressState(1.1, 1.8, 5, 3),
        lambda: Route("a", "a", "b", LAW, 1, 1),
        lambda: Route("a", "b", "b", LAW, -1, 1),
        lambda: Route("a", "b", "b", LAW, 1, np.nan),
        lambda: AT_ONCE.quantile(0.0),
        lambda: AT_ONCE.probability_within(np.nan),
        lambda: cure_lag(AT_ONCE, detect=-1),
    ],
)
def test_bounds_are_checked(bad):
    with pytest.raises(RiskInputError):
        bad()


def test_shipped_routes_join_every_pair_by_every_bridge():
    routes = load_routes()
    chains = {"eip155:1", "eip155:42161", "eip155:10", "eip155:8453"}
    bridges = {"across", "cctp_v2_fast", "cctp_v2_standard", "stargate_taxi", "ccip", "canonical"}
    pairs = {(r.source, r.destination, r.bridge) for r in routes}
    assert len(routes) == len(pairs) == 12 * 6
    assert {b for _, _, b in pairs} == bridges
    assert {s for s, _, _ in pairs} | {d for _, d, _ in pairs} == chains


# bridge-latency.md 1.1 (XChainDataGen, arXiv 2503.13637) and 1.2: medians in seconds
@pytest.mark.parametrize(
    ("bridge", "source", "destination", "median_s"),
    [
        ("across", 1, 42161, 26),
        ("across", 10, 1, 10),
        ("cctp_v2_standard", 1, 42161, 1092),
        ("cctp_v2_standard", 10, 42161, 1482),
        ("ccip", 8453, 1, 1444),
        ("stargate_taxi", 8453, 42161, 30),
        ("cctp_v2_fast", 1, 10, 20),
        ("cctp_v2_fast", 42161, 10, 8),
    ],
)
def test_shipped_medians(bridge, source, destination, median_s):
    wanted = (f"eip155:{source}", f"eip155:{destination}", bridge)
    (route,) = [r for r in load_routes() if (r.source, r.destination, r.bridge) == wanted]
    assert route.law.body.median_s == median_s


def test_canonical_exit_takes_its_challenge_period():
    exits = {r.source: r.law.challenge_s for r in load_routes() if r.bridge == "canonical"}
    assert exits["eip155:42161"] == pytest.approx(6.4 * 86_400, rel=0.01)
    assert exits["eip155:10"] == exits["eip155:8453"] == 7 * 86_400
    assert exits["eip155:1"] == 0


def test_route_file_names_the_wrong_row():
    text = """
    outages_per_chain_year = 1.0
    pauses_per_year = 0.2
    pause_s = 86400
    [chains]
    eth = "eip155:1"
    arb = "eip155:42161"
    [bridges.x]
    slow_weight = 0.0
    slow_median_s = 10
    slow_log_sd = 0.5
    fee_bps = 1
    capacity_usd = 1
    routes = [["eth", "arb", 5, 4, 6, "M"]]
    """
    with pytest.raises(ParameterError, match=r"bridges\.x\.routes\[0\].*quartiles"):
        parse_routes(text)
    with pytest.raises(ParameterError, match="mars"):
        parse_routes(text.replace('"arb", 5, 4', '"mars", 3, 4'))
