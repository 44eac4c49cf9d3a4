"""Cascades: rounds worked out on paper, and what must hold of any."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.arrays import FactorArrays, Kind
from risk.cascade import ALL, DEBT, POSITION, Cascade, ClosingRules, Depth, cascade
from risk.errors import RiskInputError
from tests.kit.market import accounts_of, instruments_of, one_instrument

FACTORS = FactorArrays(
    names=("ETH", "USDC"), sigma_day=np.array([0.05, 0.001]), is_stable=np.array([False, True]),
    basis_names=("mark",), basis_shock=np.array([0.01]),
)  # fmt: skip
ETH = one_instrument(Kind.SPOT, 2000.0, 0)
USDC = one_instrument(Kind.SPOT, 1.0, 1)
USD = one_instrument(Kind.FIXED)
PERP = one_instrument(Kind.PERP, 2000.0, 0, basis=0)
DEEP = Depth(np.array([1e30, 1e30]), 1.0)


def rules(closing: int, accounts: int = 1, ratio: float = 0.05, factor: float = 0.5, full: float = 0.95):
    flat = np.ones(accounts)
    return ClosingRules(np.full(accounts, closing, dtype=np.int32), ratio * flat, factor * flat, full * flat)


def loans(*debts: float):
    """100 ETH each at a threshold of 80 %, debts in USDC."""
    book = accounts_of(
        instruments_of(ETH, USDC), [[80.0, 0.0]] * len(debts), [[0.0, debt] for debt in debts], FACTORS
    )
    value = book.value.copy().tolil()
    for row, debt in enumerate(debts):
        value[row, 0], value[row, 1] = 100.0, -debt
    return replace(book, value=type(book.value)(value))


def fall(share: float) -> np.ndarray:
    return np.array([-share, 0.0])


def test_no_shock_no_round():
    found = cascade(loans(1e5), rules(DEBT), fall(0.0), DEEP)
    assert (found.rounds, found.settled) == ((), True)
    assert found.surplus == pytest.approx([6e4])


def test_half_the_debt_at_the_close_factor():
    # ETH at 1,560: E = 124,800 against 130,000, health 0.96: half is repaid, collateral of 68,250 is sold.
    found = cascade(loans(1.3e5), rules(DEBT), fall(0.22), DEEP)
    (only,) = found.rounds
    assert only.sold_usd[0] == pytest.approx(68_250.0)
    assert only.penalty_usd == pytest.approx([3_250.0])
    assert found.surplus[0] == pytest.approx(0.8 * (156_000 - 68_250) - 65_000)


def test_all_of_the_debt_when_deep():
    found = cascade(loans(1.3e5), rules(DEBT), fall(0.25), DEEP)
    (only,) = found.rounds
    assert only.sold_usd[0] == pytest.approx(136_500.0)
    assert found.bad_debt_usd[0] == 0.0


def test_collateral_that_does_not_reach_is_bad_debt():
    found = cascade(loans(1.3e5), rules(DEBT), fall(0.5), DEEP)
    (only,) = found.rounds
    assert only.sold_usd[0] == pytest.approx(100_000.0)
    assert found.bad_debt_usd[0] == pytest.approx(130_000 - 100_000 / 1.05)


def test_losses_lie_with_what_is_seized_and_what_is_owed():
    found = cascade(loans(1.3e5), rules(DEBT), fall(0.5), DEEP)
    assert found.penalty_of_usd == pytest.approx([found.penalty_usd[0], 0.0])
    assert found.bad_debt_of_usd == pytest.approx([0.0, found.bad_debt_usd[0]])
    perp = cascade(perps(100.0), rules(POSITION, ratio=0.025, full=0.5), fall(0.08), DEEP)
    assert perp.penalty_of_usd == pytest.approx([4_600.0, 0.0])
    assert perp.bad_debt_of_usd == pytest.approx([600.0, 0.0])


def test_thin_depth_takes_the_next_account_in_the_next_round():
    thin = Depth(np.array([2e6, 1.0]), 1.0)  # 68,250 sold: 0.05 x sqrt(0.034) = 0.92 %
    found = cascade(loans(1.3e5, 1.24e5), rules(DEBT, 2), fall(0.22), thin)
    assert [list(r.accounts) for r in found.rounds][:2] == [[0], [1]]
    assert found.rounds[1].moves[0] == pytest.approx(0.78 * np.exp(-0.05 * np.sqrt(68_250 / 2e6)) - 1)
    assert found.moves[0] < found.rounds[1].moves[0]
    assert [list(r.accounts) for r in cascade(loans(1.3e5, 1.24e5), rules(DEBT, 2), fall(0.22), DEEP).rounds] == [
        [0]
    ]


def perps(*sizes: float):
    """Entered at 2,000 with 20,000 dollars each, maintenance 6.25 %."""
    equity = [[size, 20_000 - 2000 * size] for size in sizes]
    needs = [[0.0625 * abs(size), 0.0] for size in sizes]
    return accounts_of(instruments_of(PERP, USD), equity, needs, FACTORS)


def test_half_of_a_perp_then_what_is_left_is_healthy():
    # -8 %: equity 4,000 of 184,000 x 6.25 % = 11,500, below half: all is closed, 2.5 % of 184,000 is taken
    found = cascade(perps(100.0), rules(POSITION, ratio=0.025, full=0.5), fall(0.08), DEEP)
    (only,) = found.rounds
    assert only.sold_usd[0] == pytest.approx(184_000.0)
    assert (only.penalty_usd[0], found.bad_debt_usd[0]) == (pytest.approx(4_600.0), pytest.approx(600.0))
    # -5 %: 10,000 of 11,875: half
    mild = cascade(perps(100.0), rules(POSITION, ratio=0.025, full=0.5), fall(0.05), DEEP)
    assert mild.rounds[0].sold_usd[0] == pytest.approx(95_000.0)
    assert mild.surplus[0] == pytest.approx(10_000 - 2_375 - 5_937.5)


def test_a_short_buys_back_and_pushes_up():
    found = cascade(
        perps(-100.0), rules(POSITION, ratio=0.025, full=0.5), np.array([0.08, 0.0]), Depth(np.ones(2) * 1e7, 1.0)
    )
    assert found.sold_usd[0] < 0.0
    assert found.moves[0] > 0.08


def test_an_account_that_ends_loses_all_that_is_left():
    found = cascade(perps(100.0), rules(ALL, ratio=1.0, factor=1.0), fall(0.08), DEEP)
    assert (found.penalty_usd[0], found.bad_debt_usd[0], found.surplus[0]) == (pytest.approx(4_000.0), 0.0, 0.0)


def run(seed: int, depth: float, order: np.ndarray | None = None, shock: float | None = None) -> Cascade:
    rng = np.random.default_rng(seed)
    debts = rng.uniform(5e4, 1.55e5, 8)
    move = rng.uniform(0.0, 0.6) if shock is None else shock
    debts = debts if order is None else debts[order]
    return cascade(loans(*debts), rules(DEBT, 8), fall(move), Depth(np.array([depth, 1.0]), 1.0))


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_laws_of_any_cascade(seed):
    found, deep = run(seed, 1e7), run(seed, 1e12)
    assert found.settled
    assert (found.surplus >= -1e-6).all()
    assert (np.diff([r.moves[0] for r in found.rounds]) <= 1e-12).all()
    assert found.moves[0] <= deep.moves[0]
    hit = [{int(a) for r in c.rounds for a in r.accounts} for c in (found, deep)]
    assert hit[0] >= hit[1]
    assert (found.penalty_usd >= 0.0).all()
    assert (found.bad_debt_usd >= 0.0).all()
    assert found.penalty_of_usd.sum() == pytest.approx(found.penalty_usd.sum())
    assert found.bad_debt_of_usd.sum() == pytest.approx(found.bad_debt_usd.sum())


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_of_accounts_changes_nothing(seed):
    order = np.random.default_rng(seed).permutation(8)
    forth, back = run(seed, 1e7), run(seed, 1e7, order)
    assert back.penalty_usd == pytest.approx(forth.penalty_usd[order])
    assert back.moves == pytest.approx(forth.moves)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: cascade(loans(1e5), rules(DEBT), fall(1.0), DEEP), r"shock\[0\]"),
        (lambda: cascade(loans(1e5), rules(DEBT), np.zeros(3), DEEP), "shock"),
        (lambda: cascade(loans(1e5), rules(DEBT, ratio=2.0), fall(0.1), DEEP), r"rules.ratio\[0\]"),
        (lambda: cascade(loans(1e5), rules(7), fall(0.1), DEEP), r"rules.closing\[0\]"),
        (lambda: cascade(loans(1e5), rules(DEBT), fall(0.1), Depth(np.zeros(2), 1.0)), r"depth.volume_usd\[0\]"),
        (lambda: cascade(loans(1e5), rules(DEBT), fall(0.1), Depth(np.ones(2), -1.0)), "depth.coefficient"),
    ],
)
def test_unusable_input_is_named(call, named):
    with pytest.raises(RiskInputError, match=named):
        call()
