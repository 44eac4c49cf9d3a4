"""The copula's correlation: one figure, or the history's, always positive definite."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.history import read_history
from aggregator.joint import JointMoves, joint_moves
from aggregator.model import load_model
from risk.arrays import FactorArrays
from risk.correlation import as_correlation
from tests.kit import world as hand

LAST = datetime(2026, 1, 1, tzinfo=UTC)


def factors(*names: str) -> FactorArrays:
    stable = np.array([name == "USDC" for name in names])
    return FactorArrays(names, np.full(len(names), 0.04), stable, (), np.zeros(0))


def written(path, correlation: float, days: int = 900):
    """Daily bars of ETH and BTC."""
    rng = np.random.default_rng(4)
    common, own = rng.standard_normal((days, 1)), rng.standard_normal((days, 2))
    moves = 0.03 * (np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own)
    close = 100 * np.exp(np.cumsum(moves, axis=0))
    rows = [
        "time_utc," + ",".join(f"{name}_{part}" for name in ("ETH", "BTC") for part in ("close", "high", "low"))
    ]
    for i, (eth, btc) in enumerate(close):
        when = LAST - timedelta(days=days - i)
        rows.append(f"{when:%Y-%m-%d %H:%M:%S},{eth},{eth},{eth},{btc},{btc},{btc}")
    path.write_text("\n".join(rows))
    return path


def test_without_a_history_every_pair_of_coins_has_the_one_figure():
    matrix = joint_moves(0.72, None).of(factors("ETH", "BTC", "USDC"))
    assert matrix.tolist() == [[1.0, 0.72, 0.0], [0.72, 1.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("true", [0.1, 0.9])
def test_the_history_says_how_its_coins_move_together(tmp_path, true):
    found = joint_moves(0.72, read_history(written(tmp_path / "h.csv", true)))
    matrix = found.of(factors("BTC", "ETH", "SOL", "USDC"))
    assert matrix[0, 1] == pytest.approx(true, abs=0.25)
    assert abs(matrix[0, 1] - 0.72) > 0.05
    assert matrix[3].tolist() == [0.0, 0.0, 0.0, 1.0]
    as_correlation("correlation", matrix)


@given(st.integers(0, 2**32), st.floats(0.0, 0.99), st.integers(2, 6))
def test_whatever_is_mixed_is_a_correlation(seed, between, count):
    rng = np.random.default_rng(seed)
    names = tuple(f"C{i}" for i in range(count))
    known = names[: rng.integers(1, count + 1)]
    spread = rng.standard_normal((len(known), len(known) + 1))
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    matrix = spread @ spread.T
    np.fill_diagonal(matrix, 1.0)
    mixed = JointMoves(between, known, matrix).of(factors(*names, "USDC"))
    as_correlation("correlation", mixed)
    if len(known) == count and np.linalg.eigvalsh(matrix)[0] >= 1e-3:
        assert mixed[:count, :count] == pytest.approx(matrix)


def test_closer_coins_hedge_better(tmp_path):
    """Long one coin and short the other: what moves together needs less, and the hash says which it was."""
    answers = []
    for true in (0.1, 0.95):
        settings = ModelSettings(
            bridges=("across",), scenario_sets=("copula",), correlation="history",
            history=written(tmp_path / f"{true}.csv", true),
        )  # fmt: skip
        answers.append(load_model(settings, hand.CHAINS))
    loose, close = answers
    assert loose.params_hash != close.params_hash
    pair = factors("ETH", "BTC")
    assert loose.sets.correlation.of(pair)[0, 1] < close.sets.correlation.of(pair)[0, 1]


def test_too_few_days_and_no_history_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="has 99 days"):
        joint_moves(0.72, read_history(written(tmp_path / "short.csv", 0.5, days=100)))
    with pytest.raises(ConfigError, match=r"model\.correlation needs a price history"):
        load_model(ModelSettings(correlation="history"), hand.CHAINS)
