"""Bad input is refused at the edge, by name, place and bound."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from risk.arrays import FactorArrays, InstrumentArrays, Kind, PortfolioArrays
from risk.errors import RiskInputError
from tests.kit.market import NAN, a_book, instruments_of, one_instrument, random_row, some_factors

INF = float("inf")
ALL = tuple(random_row(np.random.default_rng(7), kind) for kind in Kind)
READ = {
    Kind.FIXED: ("price",),
    Kind.SPOT: ("price",),
    Kind.PERP: ("price",),
    Kind.CALL: ("price", "strike", "expiry_s", "vol", "rate"),
    Kind.PUT: ("price", "strike", "expiry_s", "vol", "rate"),
    Kind.CLIPPED_FEE: ("price", "e0", "e1", "e2", "e3"),
    Kind.SHORT_FLOOR_CALL_QUOTE: ("price", "strike", "expiry_s", "rate", "e0", "e1", "e2", "e3"),
    Kind.SHORT_FLOOR_CALL_BASE: ("price", "strike", "expiry_s", "rate", "e0", "e1", "e2", "e4"),
    Kind.SHORT_FLOOR_PUT: ("price", "strike", "expiry_s", "rate", "e0", "e1", "e2", "e3"),
}
CASES = [(kind, name) for kind, names in READ.items() for name in names]


def changed(kind: Kind, name: str, value: float) -> InstrumentArrays:
    row = {**ALL[kind], "extra": list(ALL[kind]["extra"])}
    if name.startswith("e") and name[1:].isdigit():
        row["extra"][int(name[1:])] = value
    else:
        row[name] = value
    return instruments_of(ALL[Kind.FIXED], row)


def test_usable_rows_pass():
    assert instruments_of(*ALL).count == len(Kind)
    assert instruments_of(*ALL).check() is None


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("value", [NAN, INF, -INF, -9.0])
def test_instruments_refuse_what_their_kind_reads(kind, name, value):
    with pytest.raises(RiskInputError, match=r"instruments\.[a-z_.]+\[1\] = "):
        changed(kind, name, value)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Kind.SPOT, "price", 0.0),
        (Kind.CALL, "strike", 0.0),
        (Kind.PUT, "vol", 80.0),
        (Kind.PUT, "rate", 7.0),
        (Kind.SHORT_FLOOR_PUT, "e2", 0.0),
        (Kind.SHORT_FLOOR_PUT, "e5", -1.0),
        (Kind.SHORT_FLOOR_CALL_BASE, "e6", -1.0),
        (Kind.CLIPPED_FEE, "e3", 1.0),
        (Kind.FIXED, "price", 1.01),
        (Kind.FIXED, "factor", 0),
        (Kind.FIXED, "basis", 0),
        (Kind.SPOT, "factor", -1),
        (Kind.SPOT, "factor", -2),
        (Kind.SPOT, "basis", -2),
        (Kind.SPOT, "kind", 9),
        (Kind.SPOT, "kind", -1),
    ],
)
def test_instruments_refuse_out_of_bounds(kind, name, value):
    with pytest.raises(RiskInputError, match=r"\[1\] = .*must be"):
        changed(kind, name, value)


def test_shapes_and_types_are_refused():
    good = instruments_of(*ALL)
    for field in fields(InstrumentArrays):
        with pytest.raises(RiskInputError, match=r"has shape .*, must have"):
            replace(good, **{field.name: getattr(good, field.name)[:-1]})
    with pytest.raises(RiskInputError, match="integers"):
        replace(good, factor=good.factor.astype(float))
    with pytest.raises(RiskInputError, match="numbers"):
        replace(good, price=np.array(["1"] * good.count))
    with pytest.raises(RiskInputError, match="numbers"):
        replace(good, price=[[1.0], [1.0, 2.0]])


def test_arrays_are_copies_and_read_only():
    price = np.array([2000.0])
    row = one_instrument(Kind.SPOT)
    made = replace(instruments_of(row), price=price)
    price[0] = NAN
    assert made.price[0] == 2000.0
    for field in fields(InstrumentArrays):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, field.name)[0] = 1
    book = a_book(1)
    for matrix in (book.value, book.equity, book.requirement):
        with pytest.raises(ValueError, match="read-only"):
            matrix.data[0] = 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": ("ETH", "ETH", "USDC", "USDT")},
        {"names": ("ETH", "", "USDC", "USDT")},
        {"names": ("ETH", "BTC", "USDC")},
        {"sigma_day": np.array([0.04, 0.0, 0.01, 0.01])},
        {"sigma_day": np.array([0.04, NAN, 0.01, 0.01])},
        {"sigma_day": np.array([4.0, 0.03, 0.01, 0.01])},
        {"sigma_day": np.array([-0.04, 0.03, 0.01, 0.01])},
        {"is_stable": np.array([0, 0, 1, 1])},
        {"is_stable": np.array([False, True])},
        {"basis_shock": np.array([0.02, 1.0, 0.0])},
        {"basis_shock": np.array([0.02, -0.01, 0.0])},
        {"basis_shock": np.array([0.02, NAN, 0.0])},
        {"basis_names": ("a", "a", "b")},
    ],
)
def test_factors_refuse(wrong):
    with pytest.raises(RiskInputError, match=f"factors.{'basis_shock|basis_names|sigma_day|is_stable|names'}"):
        replace(some_factors(), **wrong)


def test_portfolio_refuses_figures_that_are_none():
    book = a_book(3)
    units = book.equity.copy()
    units.data = units.data.copy()
    units.data[2] = NAN
    for name in ("value", "equity", "requirement"):
        with pytest.raises(RiskInputError, match=rf"portfolio.{name}\[\d+, \d+\] = nan"):
            replace(book, **{name: units})
    for name in ("surplus", "mm"):
        for bad in (NAN, INF):
            with pytest.raises(RiskInputError, match=rf"portfolio.{name}\[1\]"):
                replace(book, **{name: np.array([1.0, bad, 1.0, 1.0])})
    with pytest.raises(RiskInputError, match=r"portfolio.mm\[0\] = -1.0"):
        replace(book, mm=-np.ones(4))


def test_portfolio_refuses_other_shapes_and_matrices():
    book = a_book(3)
    dense = book.equity.toarray()
    for wrong in (
        dense,
        csr_matrix(dense),
        csr_array(dense[:-1]),
        csr_array(dense[:, :-1]),
        csr_array(dense * 1j),
    ):
        with pytest.raises(RiskInputError, match=r"portfolio\.equity"):
            replace(book, equity=wrong)


def test_portfolio_refuses_indices_beyond_the_factors():
    book = a_book(3, kinds=(Kind.SPOT,))
    far = book.instruments.factor.copy()
    far[1] = 4
    with pytest.raises(RiskInputError, match=r"instruments.factor\[1\] = 4: must be an index from -1 to 3"):
        replace(book, instruments=replace(book.instruments, factor=far))
    basis = np.full(book.instruments.count, -1)
    basis[1] = 3
    with pytest.raises(RiskInputError, match=r"instruments.basis\[1\] = 3: must be an index from -1 to 2"):
        replace(book, instruments=replace(book.instruments, basis=basis))


def test_a_requirement_has_no_value():
    book = a_book(3, kinds=(Kind.CLIPPED_FEE, Kind.SHORT_FLOOR_PUT))
    with pytest.raises(RiskInputError, match="a requirement kind has no value"):
        replace(book, value=csr_array(np.ones(book.value.shape)))


def test_doubled_entries_are_summed():
    instruments = instruments_of(one_instrument(Kind.SPOT))
    twice = csr_array((np.array([1.0, 2.0]), np.array([0, 0]), np.array([0, 2])), shape=(1, 1))
    factors = FactorArrays(("ETH",), np.array([0.04]), np.array([False]), (), np.array([]))
    book = PortfolioArrays(
        instruments, factors, twice, twice, csr_array((1, 1)), np.array([6000.0]), np.array([0.0])
    )
    assert book.net().toarray() == [[3.0]]


def test_an_empty_portfolio_is_a_portfolio():
    none = csr_array((0, 9))
    empty = replace(a_book(3), value=none, equity=none, requirement=none, surplus=[], mm=[])
    assert empty.count == 0
