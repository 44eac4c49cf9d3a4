"""Expected shortfall of a book over any scenario set: maintenance at 97.5 %, initial at 99 %.

    loss_p(s) = -(change of value of position p in row s)          rho = max(0, ES_level(Σ_p loss_p)) · scan factor
    floor     = 0.75·rho + 0.25·rho over the stressed set, where it is larger (EMIR RTS 153/2013 art. 28)

``scan_factor`` turns a set of terminal moves into the running maximum over the horizon (1.107, RISK section 2); it
is 1 for sets that hold running maxima. Contributions are component ES over the same rows, floors included.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.sparse import csr_array, eye_array

from risk.arrays import EXTRA_COLUMNS, FactorArrays, InstrumentArrays, Kind, PortfolioArrays
from risk.book import Book, Market
from risk.checks import F64
from risk.errors import RiskInputError
from risk.models.result import Margin
from risk.models.shocked import flatten
from risk.paramfile import Within, check_fields, load, params_hash
from risk.pricing import value_of
from risk.revalue import revalue
from risk.scenarios import ScenarioSet
from risk.tail import contributions, tail_of

MODEL_WEIGHT, STRESSED_WEIGHT = 0.75, 0.25


@dataclass(frozen=True, slots=True)
class EsParams:
    """One parameter set."""

    id: str
    version: str
    provenance: str
    mm_level: Annotated[float, Within(0.5, 0.9999)]
    im_level: Annotated[float, Within(0.5, 0.9999)]
    scan_factor: Annotated[float, Within(1.0, 2.0)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class EsMargin:
    """The tail model over a set of rows; ``stressed`` is the floor's set."""

    params: EsParams
    factors: FactorArrays
    scenarios: ScenarioSet
    stressed: ScenarioSet | None = None

    @property
    def id(self) -> str:
        """Id of the parameter set and of the rows."""
        return f"{self.params.id} over {self.scenarios.id} {self.scenarios.version}"

    def margin(self, book: Book) -> Margin:
        """Requirements; the markets' names must be names of risk factors."""
        names, portfolio = as_positions(book, self.factors)
        losses = -revalue(portfolio, self.scenarios).dV
        hard = -revalue(portfolio, self.stressed).dV if self.stressed is not None else None
        maintenance = self._parts(losses, hard, self.params.mm_level)
        initial = self._parts(losses, hard, self.params.im_level)
        total = losses.sum(axis=0)
        return Margin(
            model=self.id,
            version=self.params.version,
            params_hash=params_hash(self.params),
            mark_usd=_mark(book, portfolio),
            maintenance_usd=float(maintenance.sum()),
            initial_usd=float(initial.sum()),
            lines={"var_mm_usd": tail_of(total, self.params.mm_level).var if len(total) else 0.0},
            scenarios=self.scenarios.labels,
            scenario_pnl=-total,
            worst=self.scenarios.labels[int(total.argmax())],
            maintenance_by_position=dict(zip(names, map(float, maintenance), strict=True)),
            initial_by_position=dict(zip(names, map(float, initial), strict=True)),
        )

    def _parts(self, losses: F64, hard: F64 | None, level: float) -> F64:
        """(P,) contributions of the binding figure."""
        own = _component(losses, level) * self.params.scan_factor
        if hard is None:
            return own
        floored = MODEL_WEIGHT * own + STRESSED_WEIGHT * _component(hard, level) * self.params.scan_factor
        return floored if floored.sum() > own.sum() else own


def load_es(factors: FactorArrays, scenarios: ScenarioSet, stressed: ScenarioSet | None = None) -> EsMargin:
    """Model with the shipped levels over the given rows."""
    return EsMargin(load(EsParams, "es_v1"), factors, scenarios, stressed)


def _component(losses: F64, level: float) -> F64:
    tail = tail_of(losses.sum(axis=0), level)
    return contributions(losses, tail) if tail.es > 0.0 else np.zeros(len(losses))


def as_positions(book: Book, factors: FactorArrays) -> tuple[list[str], PortfolioArrays]:
    """Every position of a book as an account of its own: names and arrays.

    Collateral moves with the only market where it is risk cancelling, else it is held at its value; options move
    with their forward.
    """
    rows: list[tuple[str, dict[str, float], float]] = []
    for market in book.markets:
        if market.name not in factors.names:
            raise RiskInputError(f"book.markets: {market.name!r} is none of the factors {factors.names}")
        rows += _market_rows(market, factors.names.index(market.name))
    for held in book.collaterals:
        value = held.amount * held.price / book.stable_price
        moves = held.is_risk_cancelling and len(book.markets) == 1 and held.price > 0.0
        terms = {"kind": Kind.SPOT, "price": held.price} if moves else {"kind": Kind.FIXED, "price": 1.0}
        factor = factors.names.index(book.markets[0].name) if moves else -1
        rows.append((f"collateral {held.name}", {**terms, "factor": factor}, value / terms["price"]))
    if not rows:
        rows.append(("cash", {"kind": Kind.FIXED, "price": 1.0, "factor": -1}, 0.0))
    units = np.array([row[2] for row in rows])
    return [row[0] for row in rows], _portfolio(rows, units, factors)


def _market_rows(market: Market, factor: int) -> list[tuple[str, dict[str, float], float]]:
    rows: list[tuple[str, dict[str, float], float]] = []
    if market.perp_amount:
        terms = {"kind": Kind.PERP, "price": market.perp_price, "factor": factor}
        rows.append((f"{market.name} perp", terms, market.perp_amount))
    if market.base_amount:
        base = {"kind": Kind.SPOT, "price": market.spot, "factor": factor}
        rows.append((f"{market.name} base", base, market.base_amount))
    flat = flatten(market)
    discount = np.exp(-flat.rate * flat.tau)
    for i, at in enumerate(flat.expiry):
        terms = {
            "kind": Kind.CALL if flat.is_call[i] else Kind.PUT,
            "price": flat.moving[at] + flat.fixed[at],
            "factor": factor,
            "strike": flat.strike[i],
            "expiry_s": flat.seconds[at],
            "vol": flat.vol[i],
            "rate": 0.0,
        }
        rows.append((flat.names[i], terms, float(flat.amount[i] * discount[at])))
    return rows


def _portfolio(
    rows: list[tuple[str, dict[str, float], float]], units: F64, factors: FactorArrays
) -> PortfolioArrays:
    count = len(rows)
    floats = {
        name: np.array([row[1].get(name, np.nan) for row in rows])
        for name in ("price", "strike", "expiry_s", "vol", "rate")
    }
    instruments = InstrumentArrays(
        kind=np.array([int(row[1]["kind"]) for row in rows], dtype=np.int32),
        factor=np.array([int(row[1]["factor"]) for row in rows], dtype=np.int32),
        basis=np.full(count, -1, dtype=np.int32),
        extra=np.full((count, EXTRA_COLUMNS), np.nan),
        **floats,
    )
    held = csr_array(eye_array(count, format="csr") * units)
    nothing = csr_array((count, count))
    return PortfolioArrays(instruments, factors, held, held, nothing, np.zeros(count), np.zeros(count))


def _mark(book: Book, portfolio: PortfolioArrays) -> float:
    """Value of the book: perps count their profit and funding, not their notional."""
    held = np.asarray(portfolio.value @ value_of(portfolio.instruments))
    assets = float(held[portfolio.instruments.kind != Kind.PERP].sum())
    pnl = sum(market.unrealised_pnl_usd + market.funding_usd for market in book.markets)
    return assets + pnl + book.cash_usd
