"""Reconciliation of 10,000 assets with 7 sources each, beside a loop with the statistics module."""

import statistics
import time

import numpy as np

from oracles.kernel import Table, Terms, decide
from oracles.reconcile import reconcile
from oracles.types import Quotes
from tests.bench import Row
from tests.kit.price_tables import BAND, DRIFT, FLOOR, LIMIT_S, WIDE, honest, table, terms
from tests.kit.quotes import NOW, PARAMS, a_quote

ASSETS, SOURCES = 10_000, 7
GROUPS = (0, 0, 1, 2, 3, 4, 5)
REPEATS = 15


def run() -> list[Row]:
    made, params = _market()
    vector_s = min(_timed(lambda: decide(made, params)) for _ in range(REPEATS))
    columns = [
        np.ascontiguousarray(x.T).tolist() for x in (made.price, made.half_width, made.age_s, made.outlived_s)
    ]
    loop_s = _timed(lambda: [_one(*(column[i] for column in columns)) for i in range(ASSETS)])
    quotes = _quotes(500)
    whole_s = min(_timed(lambda: reconcile(quotes, NOW, PARAMS)) for _ in range(3))
    name = f"reconcile {ASSETS:,} assets x {SOURCES} sources (6 groups), one core"
    loop = "loop over the assets with the statistics module"
    return [
        Row(name, vector_s * 1e3, "ms", loop, loop_s / vector_s, "<= 25 ms"),
        Row("the same loop", loop_s * 1e3, "ms", "", None, ""),
        Row("the same with reasons and exact figures, per price key", whole_s / 500 * 1e6, "us", "", None, ""),
    ]


def _market() -> tuple[Table, Terms]:
    rng = np.random.default_rng(7)
    price = honest(rng, SOURCES, ASSETS)
    price[0, ::50] *= 1.5
    shape = price.shape
    return table(
        price,
        age_s=rng.uniform(0, 200, shape),
        outlived_s=rng.uniform(0, 200, shape),
        group=np.repeat(np.array(GROUPS)[:, None], ASSETS, axis=1),
    ), terms(ASSETS)


def _one(price: list[float], width: list[float], age: list[float], outlived: list[float]) -> object:
    """The same rules for one asset."""
    votes: dict[int, tuple[float, float]] = {}
    for i in range(SOURCES):
        if not 0 < price[i] < 1e30 or age[i] > LIMIT_S or age[i] < -60:
            continue
        wide = max(width[i] + price[i] * DRIFT * (max(outlived[i], 0) / 86_400) ** 0.5, price[i] * FLOOR)
        if wide <= price[i] * WIDE:
            votes.setdefault(GROUPS[i], (price[i], wide))
    if len(votes) < 3:
        return None
    centre = statistics.median(p for p, _ in votes.values())
    mad = statistics.median(abs(p - centre) for p, _ in votes.values())
    band = min(max(3 * 1.4826 * mad / centre, BAND), 3 * BAND) * centre
    agreeing = [(p, w) for p, w in votes.values() if abs(p - centre) <= band + min(w, band)]
    if 3 * len(agreeing) < 2 * len(votes):
        return None
    three = sorted(x for p, w in agreeing for x in (p - w, p, p + w))
    low, _, high = statistics.quantiles(three, n=4)
    return low, centre, high


def _quotes(keys: int) -> Quotes:
    groups = ("chainlink", "pyth", "uniswap", "binance", "coinbase", "kraken", "okx")
    return Quotes(tuple(a_quote(f"{100 + i / 7:.6f}", g, key=f"K{i}") for i in range(keys) for g in groups))


def _timed(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started
