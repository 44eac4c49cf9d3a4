"""Laws of the margin models over random books, the slow twin, and input that is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.arrays import FactorArrays
from risk.book import Book, Collateral, Expiry, Market
from risk.errors import RiskInputError
from risk.matrix import change_matrix
from risk.models.es import as_positions, load_es
from risk.models.pm2 import load_pm
from risk.models.registry import MODELS, load_model
from risk.models.span16 import load_span
from risk.models.standard import load_standard
from risk.paramfile import load
from risk.revalue import unit_changes
from risk.scenarios import build_grid, load_grid
from risk.sets.params import StressParams
from risk.sets.stress import stress_set
from tests.kit.market import a_book, the_grid
from tests.kit.slow_pm2 import margins

DAY_S = 86_400.0
SEEDS = st.integers(0, 2**32 - 1)
PM2, PMRM, STANDARD, SPAN = load_pm("pm2_v1"), load_pm("pmrm_v1"), load_standard(), load_span()
FACTORS = FactorArrays(("BTC", "ETH"), np.array([0.03, 0.045]), np.array([False, False]), (), np.array([]))
ES = load_es(FACTORS, build_grid(load_grid(), FACTORS), stress_set(load(StressParams, "stress_v1"), FACTORS))

FEW = load_es(FACTORS, build_grid(replace(load_grid(), points=3), FACTORS))


def some_expiry(rng: np.random.Generator, spot: float) -> Expiry:
    n = int(rng.integers(1, 6))
    grid = [(k, c) for k in (0.7, 0.9, 1.0, 1.1, 1.5) for c in (True, False)]
    legs = [grid[i] for i in rng.choice(len(grid), n, replace=False)]
    return Expiry(
        expiry_s=float(rng.choice([0.0, 600.0, 1.5 * DAY_S, 20 * DAY_S, 45 * DAY_S, 300 * DAY_S])),
        forward=spot * rng.uniform(0.95, 1.1),
        rate=float(rng.uniform(-0.05, 0.3)),
        strike=np.array([round(spot * k) for k, _ in legs], dtype=float),
        is_call=np.array([c for _, c in legs]),
        amount=rng.normal(0.0, 3.0, n),
        vol=rng.uniform(0.2, 1.5, n),
        forward_confidence=float(rng.uniform(0.3, 1.0)),
    )


def some_market(rng: np.random.Generator, name: str, base: bool) -> Market:
    spot = float(rng.uniform(1_000.0, 60_000.0))
    return Market(
        name=name,
        spot=spot,
        spot_confidence=float(rng.uniform(0.3, 1.0)),
        perp_amount=float(rng.choice([0.0, rng.normal(0.0, 5.0)])),
        perp_price=spot * 1.01,
        perp_confidence=float(rng.uniform(0.3, 1.0)),
        unrealised_pnl_usd=float(rng.normal(0.0, 100.0)),
        base_amount=float(rng.choice([0.0, rng.uniform(0.0, 3.0)])) if base else 0.0,
        expiries=tuple(some_expiry(rng, spot) for _ in range(int(rng.integers(0, 4)))),
    )


def pm2_book(seed: int) -> Book:
    rng = np.random.default_rng(seed)
    held = tuple(
        Collateral(
            name, rng.uniform(0, 5), rng.uniform(1, 3e3), rng.uniform(0, 1), 0.1, 0.05, bool(rng.random() < 0.5)
        )
        for name in ("A", "B")[: int(rng.integers(0, 3))]
    )
    return Book(rng.normal(0, 1e4), (some_market(rng, "ETH", False),), held, float(rng.uniform(0.9, 1.05)))


def srm_book(seed: int, markets: int = 2) -> Book:
    rng = np.random.default_rng(seed)
    names = ("BTC", "ETH")[:markets]
    return Book(
        rng.normal(0, 1e4), tuple(some_market(rng, n, True) for n in names), (), float(rng.uniform(0.9, 1.05))
    )


def scaled(book: Book, by: float) -> Book:
    def ends(end: Expiry) -> Expiry:
        return replace(end, amount=end.amount * by)

    def market(one: Market) -> Market:
        sizes = ("perp_amount", "unrealised_pnl_usd", "funding_usd", "base_amount")
        grown = {name: getattr(one, name) * by for name in sizes}
        return replace(one, expiries=tuple(map(ends, one.expiries)), **grown)

    held = tuple(replace(item, amount=item.amount * by) for item in book.collaterals)
    return replace(book, cash_usd=book.cash_usd * by, markets=tuple(map(market, book.markets)), collaterals=held)


CASES = [
    ("pm2", PM2, pm2_book),
    ("pmrm", PMRM, lambda seed: srm_book(seed, 1)),
    ("standard", STANDARD, srm_book),
    ("span16", SPAN, srm_book),
    ("es", ES, srm_book),
]


@settings(max_examples=500)
@given(seed=SEEDS)
def test_pm2_equals_its_slow_twin(seed: int) -> None:
    book = pm2_book(seed)
    got, (mm, im) = PM2.margin(book), margins(PM2.params, book)
    scale = abs(got.mark_usd) + got.initial_usd + 1.0
    assert got.mm_excess_usd == pytest.approx(mm, abs=1e-10 * scale)
    assert got.im_excess_usd == pytest.approx(im, abs=1e-10 * scale)


@settings(max_examples=500)
@given(seed=SEEDS)
def test_pmrm_equals_its_slow_twin(seed: int) -> None:
    book = srm_book(seed, 1)
    got, (mm, im) = PMRM.margin(book), margins(PMRM.params, book)
    scale = abs(got.mark_usd) + got.initial_usd + 1.0
    assert got.mm_excess_usd == pytest.approx(mm, abs=1e-10 * scale)
    assert got.im_excess_usd == pytest.approx(im, abs=1e-10 * scale)


@pytest.mark.parametrize(("name", "model", "make"), CASES, ids=[case[0] for case in CASES])
def test_models_keep_their_laws(name: str, model, make) -> None:
    @settings(max_examples=500)
    @given(seed=SEEDS, by=st.floats(0.01, 1_000.0), cash=st.floats(0.0, 1e6))
    def law(seed: int, by: float, cash: float) -> None:
        book = make(seed)
        got = model.margin(book)
        scale = abs(got.initial_usd) + abs(got.mark_usd) + 1.0
        assert got.maintenance_usd >= -1e-9 * scale or name == "standard"
        for parts, total in (
            (got.maintenance_by_position, got.maintenance_usd),
            (got.initial_by_position, got.initial_usd),
        ):
            assert sum(parts.values()) == pytest.approx(total, abs=1e-9 * scale)
        grown = model.margin(scaled(book, by))
        assert grown.maintenance_usd == pytest.approx(by * got.maintenance_usd, abs=1e-9 * by * scale)
        assert grown.initial_usd == pytest.approx(by * got.initial_usd, abs=1e-9 * by * scale)
        richer = model.margin(replace(book, cash_usd=book.cash_usd + cash))
        assert richer.mm_excess_usd - got.mm_excess_usd == pytest.approx(cash, abs=1e-9 * (scale + cash))
        assert np.isfinite(got.scenario_pnl).all()
        assert not got.scenarios or got.worst

    law()


@settings(max_examples=500)
@given(first=SEEDS, second=SEEDS)
def test_es_of_two_books_never_exceeds_their_sum(first: int, second: int) -> None:
    one, other = srm_book(first), srm_book(first)
    rng = np.random.default_rng(second)
    other = scaled(other, float(rng.normal()) ** 2)
    moved = tuple(replace(m, perp_amount=float(rng.normal(0, 5)), base_amount=0.0) for m in other.markets)
    other = replace(other, markets=moved)
    merged = tuple(
        replace(
            a,
            perp_amount=a.perp_amount + b.perp_amount,
            base_amount=a.base_amount + b.base_amount,
            expiries=(*a.expiries, *b.expiries),
        )
        for a, b in zip(one.markets, other.markets, strict=True)
    )
    parts = FEW.margin(one).maintenance_usd + FEW.margin(other).maintenance_usd
    assert FEW.margin(replace(one, markets=merged)).maintenance_usd <= parts * (1 + 1e-9) + 1e-6


@settings(max_examples=500)
@given(seed=SEEDS)
def test_matrix_equals_the_plain_revaluation(seed: int) -> None:
    book = a_book(seed)
    plain = unit_changes(book, the_grid())
    price = np.maximum(book.instruments.price, np.nan_to_num(book.instruments.strike))[:, None]
    assert np.all(np.abs(change_matrix(book, the_grid()) - plain) <= 1e-12 * price + 1e-12 * np.abs(plain))


BAD_EXPIRY = [
    ("expiry_s", -1.0),
    ("expiry_s", float("nan")),
    ("forward", 0.0),
    ("forward", -5.0),
    ("forward", float("inf")),
    ("rate", float("nan")),
    ("rate", 1e9),
    ("forward_confidence", 1.5),
    ("settled_forward", -1.0),
    ("strike", np.array([0.0])),
    ("strike", np.array([1.0, 2.0])),
    ("amount", np.array([np.nan])),
    ("amount", np.array([1e40])),
    ("vol", np.array([-0.1])),
    ("vol", np.array([np.inf])),
    ("is_call", np.array([1.0])),
    ("strike", np.array([["x"]])),
]


@pytest.mark.parametrize(("name", "bad"), BAD_EXPIRY)
def test_expiry_refuses(name: str, bad: object) -> None:
    good = {"expiry_s": 1e6, "forward": 2e3, "rate": 0.0, "strike": np.array([2e3])}
    good |= {"is_call": np.array([True]), "amount": np.array([1.0]), "vol": np.array([0.5])}
    Expiry(**good)
    with pytest.raises(RiskInputError, match=r"expiry\."):
        Expiry(**(good | {name: bad}))


@settings(max_examples=500)
@given(
    name=st.sampled_from(
        ["spot", "perp_amount", "perp_price", "unrealised_pnl_usd", "funding_usd", "base_amount"]
    ),
    bad=st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e31, "1", None, True]),
)
def test_market_refuses_what_is_no_amount(name: str, bad: object) -> None:
    given_fields = {"name": "ETH", "spot": 2e3, "perp_price": 2e3}
    with pytest.raises(RiskInputError, match=rf"market\.{name}"):
        Market(**(given_fields | {name: bad}))


def test_models_refuse_books_they_cannot_describe() -> None:
    book, other = srm_book(1), pm2_book(3)
    held = Collateral("A", 1.0, 1.0, 1.0, 0.1, 0.1, is_risk_cancelling=False)
    with pytest.raises(RiskInputError, match=r"book\.markets: has 2"):
        PM2.margin(book)
    with pytest.raises(RiskInputError, match="no figures for 'PEPE'"):
        STANDARD.margin(Book(markets=(Market("PEPE", 1.0),)))
    with pytest.raises(RiskInputError, match="none of the factors"):
        ES.margin(Book(markets=(Market("PEPE", 1.0, base_amount=1.0),)))
    for model in (STANDARD, SPAN):
        with pytest.raises(RiskInputError, match=r"book\.collaterals"):
            model.margin(Book(collaterals=(held,)))
    with pytest.raises(RiskInputError, match="perp_price"):
        Market("ETH", 2_000.0, perp_amount=1.0)
    assert as_positions(Book(), FACTORS)[0] == ["cash"]
    assert other.markets


def test_empty_books_need_nothing() -> None:
    for model in (STANDARD, SPAN, ES):
        got = model.margin(Book(cash_usd=5.0))
        assert (got.maintenance_usd, got.initial_usd, got.mark_usd) == (0.0, 0.0, 5.0)
    assert PM2.margin(Book(5.0, (Market("ETH", 2_000.0),))).maintenance_usd == 0.0


def test_huge_beside_tiny_amounts_stay_exact() -> None:
    market = Market("ETH", 2_000.0, perp_amount=1e18, perp_price=2_000.0, base_amount=1e-6)
    got = STANDARD.margin(Book(markets=(market,)))
    assert got.maintenance_by_position["ETH base"] == pytest.approx(1e-6 * 2_000.0 * 0.2, rel=1e-12)


def test_shipped_models_load_by_name() -> None:
    assert {name: load_model(name).id for name in MODELS} == {name: name for name in MODELS}
    with pytest.raises(RiskInputError, match="is none of pm2, pmrm, standard, span16"):
        load_model("var")
