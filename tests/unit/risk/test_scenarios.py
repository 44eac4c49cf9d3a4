"""The grid and its parameter file."""

from dataclasses import replace

import numpy as np
import pytest

from risk.arrays import FactorArrays
from risk.errors import ParameterError, RiskInputError
from risk.gridparams import load_grid, params_hash, parse_grid
from risk.scenarios import build_grid, vol_multiplier
from tests.kit.market import NAN, some_factors, the_grid

PARAMS = load_grid()
GRID = the_grid()


def rows(start: str) -> list[int]:
    return [s for s, label in enumerate(GRID.labels) if label.startswith(start)]


def test_the_first_row_is_the_world_as_it_is():
    assert not GRID.factor_shock[0].any()
    assert not GRID.basis_shock[0].any()
    assert (GRID.vol_shift[0], GRID.damping[0]) == (0, 1.0)


def test_every_block_of_rows_is_there():
    assert len(rows("all crypto")) == 26 + 7
    assert len(rows("ETH")) == len(rows("BTC")) == 16
    assert len(rows("basis")) == 6
    assert len(rows("all bases")) == 2
    assert len(rows("USDC")) == len(rows("USDT")) == 3
    assert GRID.count == 1 + 33 + 32 + 8 + 6


def test_ranges_are_log_moves_in_daily_volatilities():
    top = GRID.labels.index("all crypto +1.00 range, vol none")
    low = GRID.labels.index("all crypto -0.50 range, vol up")
    assert np.log1p(GRID.factor_shock[top]) == pytest.approx([4.8 * 0.045, 4.8 * 0.03, 0, 0])
    assert np.log1p(GRID.factor_shock[low]) == pytest.approx([-2.4 * 0.045, -2.4 * 0.03, 0, 0])


def test_a_quiet_factor_keeps_the_floor():
    quiet = replace(some_factors(), sigma_day=np.array([0.001, 0.03, 0.002, 0.003]))
    top = GRID.labels.index("all crypto +1.00 range, vol none")
    reach = np.log1p(build_grid(PARAMS, quiet).factor_shock[top])
    assert reach == pytest.approx([4.8 * 0.026, 4.8 * 0.03, 0, 0])


def test_stable_factors_move_in_depeg_rows_only():
    moved = np.flatnonzero(GRID.factor_shock[:, 2:].any(axis=1))
    assert [GRID.labels[s] for s in moved] == [
        f"{c} -{d}%" for c in ("USDC", "USDT") for d in ("2.0", "5.0", "13.0")
    ]
    assert (GRID.factor_shock[moved].astype(bool).sum(axis=1) == 1).all()
    assert GRID.damping[rows("USDC")] == pytest.approx([1.0, 0.4, 2 / 13])


def test_tails_keep_one_budget():
    tails = [s for s in rows("all crypto") if "tail" in GRID.labels[s]]
    assert (GRID.vol_shift[tails] == 1).all()
    up = [s for s in tails if GRID.factor_shock[s, 0] > 0]
    assert GRID.damping[up] * GRID.factor_shock[up, 0] == pytest.approx(0.77 * np.expm1(4.8 * 0.045))
    assert GRID.factor_shock[tails].min() >= -PARAMS.max_fall


def test_no_price_falls_to_nothing():
    wild = replace(some_factors(), sigma_day=np.array([0.9, 0.5, 0.2, 0.1]))
    assert build_grid(PARAMS, wild).factor_shock.min() > -1.0


@pytest.mark.parametrize("stable", [(False,), (True,)])
def test_one_factor_is_enough(stable):
    one = FactorArrays(("X",), np.array([0.04]), np.array(stable), (), np.array([]))
    assert build_grid(PARAMS, one).count == (4 if stable[0] else 34)


def test_no_factor_leaves_the_world_as_it_is():
    none = FactorArrays((), np.array([]), np.array([], dtype=bool), (), np.array([]))
    assert build_grid(PARAMS, none).labels == ("as is",)


def test_vol_moves_less_far_out():
    days = np.array([0.1, 1.0, 7.0, 30.0, 90.0, 365.0, np.nan])
    up, none, down = vol_multiplier(GRID.vol, days * 86400, np.array([1, 0, -1], dtype=np.int32)).T
    assert up[0] == up[1] == pytest.approx(1 + 0.5 * 30**0.3)
    assert up[3] == pytest.approx(1.5)
    assert down[3] == pytest.approx(0.7)
    assert up[4] == pytest.approx(1 + 0.5 * (1 / 3) ** 0.13)
    assert (np.diff(up[:6]) <= 0).all()
    assert (np.diff(down[:6]) >= 0).all()
    assert (none == 1.0).all()
    assert (up[6], down[6]) == (1.0, 1.0)
    assert (down >= 0).all()


def test_vol_never_falls_below_nothing():
    hard = replace(GRID.vol, down=1.0)
    assert vol_multiplier(hard, np.array([86400.0]), np.array([-1], dtype=np.int32))[0, 0] == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"factor_shock": np.full(GRID.factor_shock.shape, -1.0)},
        {"factor_shock": np.full(GRID.factor_shock.shape, NAN)},
        {"factor_shock": GRID.factor_shock[:, 1:]},
        {"basis_shock": np.full(GRID.basis_shock.shape, -1.5)},
        {"vol_shift": np.full(GRID.count, 2)},
        {"vol_shift": np.zeros(GRID.count)},
        {"damping": np.zeros(GRID.count)},
        {"damping": np.full(GRID.count, 1.1)},
        {"labels": ("same",) * GRID.count},
    ],
)
def test_a_set_refuses(wrong):
    with pytest.raises(RiskInputError, match=r"scenarios\."):
        replace(GRID, **wrong)


# --- the parameter file ---


def test_the_hash_follows_values_not_layout():
    assert params_hash(load_grid()) == params_hash(PARAMS)
    assert params_hash(replace(PARAMS, range_sigmas=4.9)) != params_hash(PARAMS)
    assert params_hash(replace(PARAMS, depegs=(-0.02,))) != params_hash(PARAMS)


def test_a_changed_figure_is_a_new_version():
    known = {("grid", "1"): "ed31c486aecc7462d9d319b47a859f0d452d2f50845d1f441efd0b766051c792"}
    assert known[PARAMS.id, PARAMS.version] == params_hash(PARAMS)


def a_file(**changes: str) -> str:
    values = {
        "id": '"g"', "version": '"1"', "horizon_s": "86400", "provenance": '"here"', "range_sigmas": "5",
        "sigma_floor": "0.02", "points": "9", "vol_up": "0.5", "vol_down": "0.3", "vol_short_power": "0.3",
        "vol_long_power": "0.13", "dte_floor_days": "1", "tail_multiples_up": "[2, 4]",
        "tail_multiples_down": "[2]", "tail_share": "0.77", "max_fall": "0.95", "depegs": "[-0.02]",
        "depeg_budget": "0.02",
    }  # fmt: skip
    return "\n".join(f"{key} = {value}" for key, value in (values | changes).items() if value)


def test_whole_numbers_are_numbers():
    assert params_hash(parse_grid(a_file(range_sigmas="5"))) == params_hash(
        parse_grid(a_file(range_sigmas="5.0 # x"))
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("range_sigmas", "nan"), ("range_sigmas", "inf"), ("range_sigmas", "0"), ("range_sigmas", '"5"'),
        ("range_sigmas", "true"), ("range_sigmas", ""), ("rangesigmas", "5"), ("points", "8"), ("points", "9.0"),
        ("sigma_floor", "-0.01"), ("tail_multiples_up", "[]"), ("tail_multiples_up", "[0.5]"),
        ("tail_multiples_up", "[2, 2]"), ("tail_multiples_up", "2"), ("depegs", "[0.02]"), ("depegs", "[-1.0]"),
        ("id", '""'), ("version", "1"), ("max_fall", "1.0"), ("tail_share", "1.1"),
    ],
)  # fmt: skip
def test_a_file_out_of_bounds_is_refused_by_key(key, value):
    with pytest.raises(ParameterError, match=key):
        parse_grid(a_file(**{key: value}))


def test_a_broken_or_missing_file_is_refused():
    with pytest.raises(ParameterError, match="TOML"):
        parse_grid("a = = 1")
    for name in ("grid_v0", "../grid_v1", ""):
        with pytest.raises(ParameterError, match="no such parameter file"):
            load_grid(name)
