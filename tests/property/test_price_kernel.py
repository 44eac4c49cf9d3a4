"""The reconciliation kernel: a slow twin, and a hundred thousand random quote sets without a violation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.kernel import Outcome, Table, Terms, Why, decide
from tests.kit.price_tables import BAND, honest, lies, same, slow, table, terms

SETS = 100_000
PER_SHAPE = SETS // 5


@pytest.fixture(params=[3, 4, 5, 7, 10], ids=lambda n: f"{n} groups")
def random_sets(request: pytest.FixtureRequest) -> tuple[Table, Terms, np.ndarray, np.ndarray]:
    """A fifth of the sets: prices of which up to f = (n - 1) // 3 are faulty, which ones, and the honest ones."""
    n = request.param
    rng = np.random.default_rng(20_260_103 + n)
    good = honest(rng, n, PER_SHAPE, 0.006)
    faults = rng.integers(0, (n - 1) // 3 + 1, PER_SHAPE)
    faulty = rng.random((n, PER_SHAPE)).argsort(axis=0) < faults
    said = np.where(faulty, lies(rng, good.shape, good), good)
    width = np.where(
        faulty, np.abs(rng.normal(0, 0.02, good.shape)) * good, rng.uniform(0, 0.002, good.shape) * good
    )
    made = table(
        said,
        half_width=width,
        age_s=np.where(faulty, rng.uniform(-500, 900, good.shape), rng.uniform(0, 290, good.shape)),
        outlived_s=rng.uniform(0, 290, good.shape),
        weight=np.where(rng.random(good.shape) < 0.2, 0.5, 1.0),
    )
    return made, terms(PER_SHAPE), faulty, good


def test_low_is_below_mid_is_below_high_and_the_interval_holds_the_median_of_those_that_agree(random_sets) -> None:
    made, params, _, _ = random_sets
    got = decide(made, params)
    agreed = got.outcome == Outcome.AGREED
    assert agreed.mean() > 0.5
    assert (got.low[agreed] <= got.mid[agreed]).all()
    assert (got.mid[agreed] <= got.high[agreed]).all()
    assert (got.low[agreed] > 0).all()
    assert np.isnan(got.mid[~agreed]).all()
    weight = np.where(got.why == Why.AGREES, got.share, 0.0)[:, agreed]
    price = np.where(weight > 0, made.price[:, agreed], np.inf)
    order = price.argsort(axis=0)
    sums = np.take_along_axis(weight, order, axis=0).cumsum(axis=0)
    for edge in (sums >= sums[-1] / 2 - 1e-9, sums > sums[-1] / 2 + 1e-9):  # lower and upper weighted median
        where = np.take_along_axis(order, edge.argmax(axis=0)[None], axis=0)
        median = np.take_along_axis(price, where, axis=0)[0]
        assert (got.low[agreed] <= median).all()
        assert (median <= got.high[agreed]).all()


def test_a_third_of_faulty_groups_never_moves_mid_out_of_the_honest_hull(random_sets) -> None:
    made, params, faulty, good = random_sets
    got = decide(made, params)
    agreed = got.outcome == Outcome.AGREED
    low = np.where(faulty, np.inf, good).min(axis=0)
    high = np.where(faulty, -np.inf, good).max(axis=0)
    assert (got.mid[agreed] >= low[agreed] * (1 - 1e-12)).all()
    assert (got.mid[agreed] <= high[agreed] * (1 + 1e-12)).all()


def test_no_group_weighs_more_than_a_third(random_sets) -> None:
    made, params, _, _ = random_sets
    got = decide(made, params)
    enough = got.outcome != Outcome.TOO_FEW
    assert got.share[:, enough].max() <= 1 / 3 + 1e-9
    assert np.allclose(got.share[:, enough].sum(axis=0), 1)


def test_a_stale_quote_changes_nothing(random_sets) -> None:
    made, params, _, _ = random_sets
    rng = np.random.default_rng(1)
    late = made.price[:1] * rng.uniform(0.5, 2, (1, PER_SHAPE))
    more = {
        name: np.concatenate((getattr(made, name), extra))
        for name, extra in (
            ("price", late), ("half_width", np.abs(late) * 0.001), ("age_s", np.full(late.shape, 301.0)),
            ("outlived_s", np.zeros(late.shape)), ("limit_s", np.full(late.shape, 300.0)),
            ("weight", np.ones(late.shape)), ("group", np.full(late.shape, 99)),
            ("was_outside", np.zeros(late.shape, dtype=bool)),
        )
    }  # fmt: skip
    assert same(decide(Table(**more), params), decide(made, params))


def test_the_order_of_the_sources_changes_nothing(random_sets) -> None:
    made, params, _, _ = random_sets
    order = np.random.default_rng(2).permutation(len(made.price))
    turned = Table(*(np.ascontiguousarray(getattr(made, f)[order]) for f in Table.__dataclass_fields__))
    assert same(decide(turned, params), decide(made, params))


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.floats(0.97, 1.03),
                st.floats(0.5, 2),
                st.sampled_from([0.0, -1.0, math.nan, math.inf, 2.0**255, 1e10, 1e-10]),
            ),
            st.one_of(st.floats(0, 0.02), st.floats(-0.1, 1)),
            st.integers(-100, 400),
            st.integers(0, 4000),
            st.sampled_from("abcdefg"),
        ),
        min_size=1,
        max_size=9,
    )
)
@settings(max_examples=300)
def test_the_kernel_decides_as_plain_python_does(quotes: list[tuple[float, float, int, int, str]]) -> None:
    columns = [np.array([[q[i]] for q in quotes], dtype=float) for i in range(4)]
    groups = np.array([["abcdefg".index(q[4])] for q in quotes])
    made = table(columns[0], half_width=columns[1], age_s=columns[2], outlived_s=columns[3], group=groups)
    got, wanted = decide(made, terms(1)), slow(quotes)
    names = {Outcome.AGREED: "agreed", Outcome.TOO_FEW: "too few", Outcome.NO_CONSENSUS: "no consensus"}
    assert names[Outcome(int(got.outcome[0]))] == wanted.outcome
    for name in ("low", "mid", "high"):
        assert getattr(got, name)[0] == pytest.approx(getattr(wanted, name), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("factor", [1.03, 0.97, 1.3, 1e10, 1e-10])
def test_two_or_three_of_five_that_collude_end_without_a_price_and_two_of_seven_do_not(factor: float) -> None:
    for liars, outcome in ((2, Outcome.NO_CONSENSUS), (3, Outcome.NO_CONSENSUS), (1, Outcome.AGREED)):
        price = np.array([[1.0], [1.001], [0.999], [1.0005], [0.9995]])
        price[:liars] *= factor
        assert decide(table(price), terms(1)).outcome[0] == outcome
    seven = np.ones((7, 1))
    seven[:2] *= factor
    assert decide(table(seven), terms(1)).mid[0] == 1


def test_four_of_six_is_two_thirds_and_is_followed() -> None:
    price = np.array([[1.0], [1.0], [1.0], [1.0], [5.0], [5.0]])
    got = decide(table(price), terms(1))
    assert (got.outcome[0], got.mid[0]) == (Outcome.AGREED, 1)


@given(st.floats(0.2, 1), st.integers(3, 9))
def test_a_market_that_crashes_is_followed_wherever_it_goes(fall: float, sources: int) -> None:
    price = np.full((sources, 1), 3000.0) * fall
    got = decide(table(price), terms(1))
    assert got.outcome[0] == Outcome.AGREED
    assert got.mid[0] == pytest.approx(3000 * fall)


def test_a_group_that_was_outside_counts_again_within_half_the_gate() -> None:
    for off, why in ((0.004, Why.AGREES), (0.007, Why.OUTSIDE_BAND), (0.02, Why.OUTSIDE_BAND)):
        price = np.array([[1.0], [1.0], [1.0], [1 + off]])
        before = np.array([[False], [False], [False], [True]])
        assert decide(table(price, was_outside=before), terms(1)).why[3, 0] == why
        fresh = decide(table(price), terms(1)).why[3, 0]
        assert fresh == (Why.AGREES if off < BAND else Why.OUTSIDE_BAND)


def test_many_assets_are_decided_as_each_alone() -> None:
    rng = np.random.default_rng(5)
    price = honest(rng, 5, 5000, 0.02)
    whole = decide(table(price), terms(5000))
    some = decide(table(np.ascontiguousarray(price[:, 2047:2050])), terms(3))
    assert np.array_equal(whole.mid[2047:2050], some.mid, equal_nan=True)
    assert (whole.lower[2047:2050] == some.lower).all()
