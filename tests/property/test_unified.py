"""Laws 1 to 9 of the unified buffer on random books (RISK section 7)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from risk.latency import AT_ONCE, NEVER, Knots
from risk.mobility import G
from risk.scanlaw import Cascade, Diffusion, Empirical, JumpKind
from risk.scantable import load_scan_table
from risk.unified import COMPILED_FROM, expected_shortfall, unified, worst_of
from tests.kit.reference_unified import layer_cake

SIGMA = 0.6 / np.sqrt(365.25)
LAWS = {
    "diffusion": Diffusion(),
    "cascades": Cascade(SIGMA, (JumpKind(24, 0.0, 0.04, 1800),)),
    "gaps": Cascade(SIGMA, (JumpKind(24, 0.0, 0.04, 0),)),
    "drifting": Cascade(SIGMA, (JumpKind(12, 0.02, 0.03, 600), JumpKind(2, 0.05, 0.02, 7200))),
    "empirical": Empirical(load_scan_table()),
}
RHOS = {"worst": worst_of, "es": expected_shortfall(0.9)}
many = settings(max_examples=500, deadline=None)
fewer = settings(max_examples=500, deadline=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def book(seed: int, accounts: int, scenarios: int = 25) -> np.ndarray:
    """Losses with a common part, hedges and scales of several orders."""
    rng = np.random.default_rng(seed)
    common = rng.standard_t(3, scenarios)
    size = 10.0 ** rng.uniform(2, 6, (accounts, 1))
    return size * (
        rng.uniform(-1.5, 1.5, (accounts, 1)) * common + rng.uniform(0, 1) * rng.normal(size=(accounts, scenarios))
    )


def links(seed: int, accounts: int) -> np.ndarray:
    """Symmetric g with zeros (one chain), ones (no route) and ties."""
    rng = np.random.default_rng(seed)
    g = rng.uniform(0, 1, (accounts, accounts)).round(int(rng.integers(1, 4)))
    g[rng.random(g.shape) < 0.15] = 0.0
    g[rng.random(g.shape) < 0.15] = 1.0
    g = np.triu(g, 1)
    return g + g.T


def common(accounts: int, g: float) -> np.ndarray:
    return np.where(np.eye(accounts, dtype=bool), 0.0, g)


def close(a, b, scale) -> bool:
    return bool(np.all(np.abs(np.asarray(a) - b) <= 1e-9 * np.maximum(1.0, scale)))


@many
@given(seeds, sizes, st.sampled_from(sorted(RHOS)))
def test_fast_equals_slow_twin(seed, accounts, rho):
    losses, g = book(seed, accounts), links(seed + 1, accounts)
    slow_rho = lambda row: float(RHOS[rho](np.array(row)))  # noqa: E731
    iso, net, uni = layer_cake(losses.tolist(), g.tolist(), slow_rho)
    fast = unified(losses, g, RHOS[rho])
    assert close((fast.iso, fast.net, fast.uni), (iso, net, max(uni, net)), iso)


@settings(max_examples=500, deadline=None)
@given(seeds, sizes, st.sampled_from(sorted(RHOS)), st.booleans())
def test_compiled_batch_equals_its_twin(seed, accounts, rho, ties):
    rng = np.random.default_rng(seed)
    losses = np.stack([book(int(s), accounts) for s in rng.integers(0, 2**31, COMPILED_FROM)])
    if ties:
        losses = losses.round(-5)
    g = np.stack([links(int(s), accounts) for s in rng.integers(0, 2**31, COMPILED_FROM)])
    together = unified(losses, g, RHOS[rho])
    each = [unified(one, links_, RHOS[rho]) for one, links_ in zip(losses, g, strict=True)]
    for name in ("iso", "net", "uni", "addon", "local_floor"):
        alone = np.stack([getattr(found, name) for found in each])
        assert np.allclose(getattr(together, name), alone, rtol=1e-9, atol=1e-9 * np.abs(losses).max()), name


@many
@given(seeds, sizes, st.sampled_from(sorted(RHOS)))
def test_1_between_netted_and_isolated(seed, accounts, rho):
    found = unified(book(seed, accounts), links(seed + 1, accounts), RHOS[rho])
    assert found.net <= found.uni <= found.iso * (1 + 1e-12)
    assert found.addon >= 0
    assert (found.local_floor >= 0).all()


@many
@given(seeds, sizes, st.sampled_from(sorted(RHOS)), st.floats(0, 1))
def test_2_higher_g_never_lowers_buffer_or_floor(seed, accounts, rho, share):
    losses, g = book(seed, accounts), links(seed + 1, accounts)
    lift = links(seed + 2, accounts) * share
    raised = np.where(np.eye(accounts, dtype=bool), 0.0, np.minimum(1.0, np.maximum(g, lift)))
    low, high = unified(losses, g, RHOS[rho]), unified(losses, raised, RHOS[rho])
    assert high.uni >= low.uni - 1e-9 * low.iso
    assert (high.local_floor >= low.local_floor).all()


def lag_states(seed: int) -> tuple[list[Knots], list[float], list[float]]:
    rng = np.random.default_rng(seed)
    states = int(rng.integers(1, 3))
    knots = []
    for _ in range(states):
        count = int(rng.integers(1, 9))
        tau = 10.0 ** rng.uniform(0, 5.5, count)
        tau[rng.random(count) < 0.1] = np.inf
        tau[rng.random(count) < 0.1] = 0.0
        weight = rng.uniform(0.01, 1, count)
        knots.append(Knots(tau, weight / weight.sum()))
    share = [1.0] if states == 1 else [0.8, 0.2]
    return knots, share, [1.0, 3.0][:states]


@fewer
@given(seeds, st.sampled_from(sorted(LAWS)), st.floats(1, 100))
def test_2_later_knot_never_lowers_G(seed, name, factor):
    knots, share, ratio = lag_states(seed)
    rng = np.random.default_rng(seed + 1)
    state = int(rng.integers(len(knots)))
    at = int(rng.integers(len(knots[state].tau_s)))
    tau = np.array(knots[state].tau_s)
    tau[at] = (tau[at] + 1.0) * factor
    later = [Knots(tau, k.weight) if i == state else k for i, k in enumerate(knots)]
    assert G(LAWS[name], later, share, ratio) >= G(LAWS[name], knots, share, ratio) * (1 - 1e-9)


@fewer
@given(seeds, st.sampled_from(sorted(LAWS)), st.floats(0, 1))
def test_2_weight_to_slower_component_never_lowers_G(seed, name, moved):
    knots, share, ratio = lag_states(seed)
    weight = np.array(knots[0].weight)
    shift = moved * weight[0]  # knots are ordered: the fastest gives to the slowest
    weight[0] -= shift
    weight[-1] += shift
    slower = [Knots(knots[0].tau_s, weight), *knots[1:]]
    assert G(LAWS[name], slower, share, ratio) >= G(LAWS[name], knots, share, ratio) * (1 - 1e-9)


@fewer
@given(seeds, st.sampled_from(sorted(LAWS)), st.floats(0.9, 0.995), st.floats(0.0, 0.004))
def test_G_rises_with_confidence(seed, name, q, more):
    args = lag_states(seed)
    assert G(LAWS[name], *args, q=q + more) >= G(LAWS[name], *args, q=q)


@many
@given(seeds, sizes)
def test_3_all_linked_is_netted_none_linked_is_isolated(seed, accounts):
    losses = book(seed, accounts)
    linked, apart = unified(losses, common(accounts, 0.0)), unified(losses, common(accounts, 1.0))
    assert close(linked.uni, linked.net, linked.iso)
    assert close(apart.uni, apart.iso, apart.iso)


@many
@given(seeds, st.integers(2, 6))
def test_4_one_chain_has_no_addon(seed, accounts):
    found = unified(book(seed, accounts), common(accounts, 0.0))
    assert found.addon <= 1e-9 * found.iso
    assert (found.local_floor == 0).all()


@many
@given(seeds, sizes, st.sampled_from(sorted(RHOS)))
def test_5_legs_that_move_together_have_no_addon(seed, accounts, rho):
    rng = np.random.default_rng(seed)
    losses = rng.uniform(1, 1e6, (accounts, 1)) * rng.standard_t(3, 40)
    found = unified(losses, links(seed + 1, accounts), RHOS[rho])
    assert found.addon <= 1e-9 * found.iso


@fewer
@given(st.sampled_from(sorted(LAWS)), st.floats(1.0, 30.0), st.floats(0.9, 0.995))
def test_6_challenge_beyond_the_horizon_is_no_route(name, periods, q):
    challenge = Knots(np.array([periods * 86_400.0]), np.ones(1))
    horizon = Knots(np.array([86_400.0]), np.ones(1))
    law = LAWS[name]
    assert G(law, [challenge], [1.0], [1.0], q=q) == G(law, [horizon], [1.0], [1.0], q=q)
    assert G(law, [NEVER], [1.0], [1.0], q=q) == G(law, [horizon], [1.0], [1.0], q=q)


@many
@given(seeds, st.integers(2, 6), st.floats(0, 1), st.floats(1e-3, 1e3))
def test_7_common_g_interpolates_scales_and_permutes(seed, accounts, share, factor):
    losses = book(seed, accounts)
    found = unified(losses, common(accounts, share))
    assert close(found.uni, found.net + share * (found.iso - found.net), found.iso)
    g = links(seed + 1, accounts)
    one, scaled = unified(losses, g), unified(factor * losses, g)
    assert close(scaled.uni, factor * one.uni, factor * one.iso)
    order = np.random.default_rng(seed).permutation(accounts)
    mixed = unified(losses[order], g[np.ix_(order, order)])
    assert close(mixed.uni, one.uni, one.iso)
    assert close(mixed.local_floor, one.local_floor[order], one.iso)


@fewer
@given(st.floats(1e-9, 1e-6), st.floats(0.95, 0.995))
def test_8_no_lag_leaves_nothing_but_gaps(tau_s, q):
    soon = Knots(np.array([tau_s]), np.ones(1))
    day = G(Diffusion(), [NEVER], [1.0], [1.0], q=q)
    assert G(Diffusion(), [soon], [1.0], [1.0], q=q) < 1e-4 * day
    gaps, per_day = LAWS["gaps"], 24 / 365.25
    floor = 0.04 * ndtri(1 - (1 - q) / per_day) if per_day / 2 > 1 - q else 0.0
    assert SIGMA * G(gaps, [soon], [1.0], [1.0], q=q) == pytest.approx(floor, rel=1e-3, abs=1e-4)
    assert G(gaps, [AT_ONCE], [1.0], [1.0], q=q) == 0.0


@many
@given(seeds, st.integers(2, 6), st.floats(0, 1), st.sampled_from(sorted(RHOS)))
def test_9_sandwich(seed, accounts, share, rho):
    found = unified(book(seed, accounts), common(accounts, share), RHOS[rho])
    noise = 1e-9 * found.iso
    assert (
        max(found.net, share * found.iso) - noise
        <= found.uni
        <= min(found.iso, found.net + share * found.iso) + noise
    )


@fewer
@given(seeds, st.integers(1, 5), st.integers(1, 7))
def test_batch_equals_one_by_one(seed, accounts, batch):
    losses = np.stack([book(seed + i, accounts) for i in range(batch)])
    g = np.stack([links(seed - i, accounts) if seed >= i else links(i, accounts) for i in range(batch)])
    together = unified(losses, g)
    for i in range(batch):
        alone = unified(losses[i], g[i])
        assert close(together.uni[i], alone.uni, alone.iso)
        assert close(together.local_floor[i], alone.local_floor, alone.iso)


@fewer
@given(seeds, st.sampled_from(sorted(LAWS)), st.floats(0.3, 4))
def test_laws_fall_in_b_and_rise_in_tau(seed, name, ratio):
    rng = np.random.default_rng(seed)
    tau = np.sort(10.0 ** rng.uniform(-3, 4.93, 12))
    b = np.sort(rng.uniform(0, 8, 15))
    p = LAWS[name].exceedance(b[:, None], tau[None, :], 86_400.0, ratio)
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p, axis=0) <= 1e-12).all()
    assert (np.diff(p, axis=1) >= -1e-12).all()
