"""The laws of RISK section 7: which property tests of 500 examples hold each, and those not held elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.funding import fund_accounts
from risk.latency import EMPIRICAL_STRESS, LatencyLaw, Lognormal, Reaction
from risk.mobility import account_g, mobility
from risk.routes import Route, load_routes
from risk.scanlaw import Diffusion
from risk.unified import expected_shortfall, unified, worst_of
from tests.property import test_market as market
from tests.property import test_preposition as programme
from tests.property import test_status as ladder
from tests.property import test_unified as buffers

DAY = 86_400.0
CHAINS = ("eip155:1", "eip155:42161", "eip155:10")
WELL_KNOWN = mobility(CHAINS, load_routes(), Diffusion(), stress=EMPIRICAL_STRESS)
HORIZONS = np.geomspace(10.0, 30 * DAY, 12)
seeds = st.integers(0, 2**32 - 1)
laws = settings(max_examples=500, deadline=None)


def latency(rng: np.random.Generator) -> LatencyLaw:
    """A slow path that is slower at every quantile: with a narrower one weight there would be weight nearer."""
    median_s, spread = 10.0 ** rng.uniform(0, 3.5), rng.uniform(0, 1.2)
    return LatencyLaw(
        body=Lognormal(median_s, spread),
        slow_weight=rng.uniform(0, 0.05),
        slow=Lognormal(median_s * 10.0 ** rng.uniform(0.3, 2), spread),
        outages_per_year=rng.uniform(0, 4),
        pauses_per_year=rng.uniform(0, 1),
        challenge_s=float(rng.choice([0.0, 0.0, 3_600.0])),
    )


def slower(rng: np.random.Generator, law: LatencyLaw) -> LatencyLaw:
    """Later in one respect: later knots, or more weight on what is slower."""
    more = 1.0 + rng.exponential()
    return (
        replace(law, body=replace(law.body, median_s=law.body.median_s * more)),
        replace(law, slow=replace(law.slow, median_s=law.slow.median_s * more)),
        replace(law, challenge_s=law.challenge_s + 600.0 * more),
        replace(law, slow_weight=law.slow_weight + 0.02 * more),
        replace(law, pauses_per_year=law.pauses_per_year + more),
    )[int(rng.integers(5))]


def g_of(law: LatencyLaw) -> np.ndarray:
    a, b = CHAINS[:2]
    routes = [Route(u, v, "x", law, 0.0, 1e9) for u, v in ((a, b), (b, a))]
    return mobility((a, b), routes, Diffusion(), kappa=1.0, reaction=Reaction(), stress=EMPIRICAL_STRESS).g


@laws
@given(seeds, st.sampled_from([worst_of, expected_shortfall(0.9)]))
def test_a_slower_law_never_lowers_the_buffer_or_a_floor(seed, rho):
    rng = np.random.default_rng(seed)
    law = latency(rng)
    fast, slow = g_of(law), g_of(slower(rng, law))
    losses, places = buffers.book(seed, 4), rng.integers(0, 2, 4)
    before, after = (unified(losses, account_g(g, places), rho) for g in (fast, slow))
    # The knots of what arrives shift a little with the weight of what never does: 64 points for a law.
    assert after.uni >= before.uni - 1e-4 * before.iso
    assert (after.local_floor >= before.local_floor - 1e-4 * before.iso).all()


@laws
@given(seeds, st.floats(0, 1e6))
def test_cash_for_one_lowers_nobodys_coverage(seed, cash):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 6))
    surplus, movable = rng.uniform(-1e4, 1e5, count), rng.uniform(0, 1e5, count) * (rng.random(count) < 0.7)
    drawdown = np.cumsum(rng.exponential(2e3, (count, len(HORIZONS))), axis=1)
    place = [CHAINS[i] for i in rng.integers(0, len(CHAINS), count)]
    ttl_s, mm = 10.0 ** rng.uniform(1, 6, count), rng.uniform(1, 1e5, count)
    richer = np.eye(count)[int(rng.integers(count))] * cash
    before, after = (
        fund_accounts(surplus + more, mm, drawdown, HORIZONS, ttl_s, movable + more, place, WELL_KNOWN)
        for more in (np.zeros(count), richer)
    )
    assert (after.liquidity_coverage >= before.liquidity_coverage - 1e-9).all()
    assert (after.rescue_gap_usd <= before.rescue_gap_usd + 1e-6).all()
    assert (after.deliverable_usd >= before.deliverable_usd - 1e-6).all()


TWELVE = {
    1: (buffers.test_1_between_netted_and_isolated,),
    2: (
        buffers.test_2_higher_g_never_lowers_buffer_or_floor, buffers.test_2_later_knot_never_lowers_G,
        buffers.test_2_weight_to_slower_component_never_lowers_G,
        test_a_slower_law_never_lowers_the_buffer_or_a_floor,
    ),
    3: (buffers.test_3_all_linked_is_netted_none_linked_is_isolated,),
    4: (buffers.test_4_one_chain_has_no_addon,),
    5: (buffers.test_5_legs_that_move_together_have_no_addon,),
    6: (buffers.test_6_challenge_beyond_the_horizon_is_no_route,),
    7: (buffers.test_7_common_g_interpolates_scales_and_permutes,),
    8: (buffers.test_8_no_lag_leaves_nothing_but_gaps,),
    9: (buffers.test_9_sandwich,),
    10: (
        programme.test_no_routes_leave_the_isolated_deficits,
        programme.test_free_instant_routes_leave_the_netted_deficit,
        programme.test_less_capacity_never_helps,
        programme.test_price_of_a_dollar_lies_between_the_finite_differences,
    ),
    11: (market.test_cash_adds_to_surplus_one_for_one, test_cash_for_one_lowers_nobodys_coverage),
    12: (ladder.test_adverse_move_never_improves_an_account, ladder.test_adverse_move_never_improves_a_portfolio),
}  # fmt: skip


@pytest.mark.parametrize("law", range(1, 13))
def test_every_law_is_held_by_a_property_of_500_examples(law):
    assert TWELVE[law]
    for test in TWELVE[law]:
        assert test.hypothesis is not None, test.__name__
        assert test._hypothesis_internal_use_settings.max_examples >= 500, test.__name__
