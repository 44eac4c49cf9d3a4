"""Tables of random quotes for the kernel, and a slow twin of its rules in plain Python."""

import math
import statistics
from dataclasses import dataclass

import numpy as np

from oracles.kernel import Decisions, Table, Terms

BAND, FLOOR, WIDE, DRIFT = 0.01, 0.0005, 0.05, 0.04
LIMIT_S = 300.0


def table(price: np.ndarray, **fields: np.ndarray) -> Table:
    """A table in which only the named fields are out of the ordinary; every source its own group."""
    shape = price.shape
    terms = {
        "half_width": price * 1e-4,
        "age_s": np.zeros(shape),
        "outlived_s": np.zeros(shape),
        "limit_s": np.full(shape, LIMIT_S),
        "weight": np.ones(shape),
        "group": np.repeat(np.arange(shape[0])[:, None], shape[1], axis=1),
        "was_outside": np.zeros(shape, dtype=bool),
        **fields,
    }
    return Table(price=price, **terms)


def terms(assets: int, quorum: int = 3) -> Terms:
    return Terms(
        quorum=np.full(assets, quorum),
        band=np.full(assets, BAND),
        floor=np.full(assets, FLOOR),
        max_width=np.full(assets, WIDE),
        drift_per_sqrt_day=np.full(assets, DRIFT),
    )


def honest(rng: np.random.Generator, sources: int, assets: int, spread: float = 0.004) -> np.ndarray:
    """Prices around one of many magnitudes per asset, within ``spread`` of it."""
    truth = 10.0 ** rng.uniform(-8, 8, assets)
    return truth * (1 + rng.uniform(-spread, spread, (sources, assets)))


LIES = np.array([0.0, -1.0, np.nan, np.inf, -np.inf, 2.0**255, 1e10, 1e-10, 1e18, 1e-18])


def lies(rng: np.random.Generator, shape: tuple[int, ...], truth: np.ndarray) -> np.ndarray:
    """What a faulty source may say: nonsense, another scale, somewhat off, or just inside the band."""
    kind = rng.integers(0, 4, shape)
    factor = np.where(kind == 1, 10.0 ** rng.integers(-10, 11, shape), 1 + rng.uniform(-0.3, 0.3, shape))
    factor = np.where(kind == 2, 1 + rng.uniform(-0.012, 0.012, shape), factor)
    return np.where(kind == 0, rng.choice(LIES, shape), truth * factor)


def same(one: Decisions, other: Decisions) -> bool:
    """Equal figures and outcomes."""
    return bool((one.outcome == other.outcome).all()) and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in ("low", "mid", "high")
    )


@dataclass
class Slow:
    """What plain Python makes of one asset."""

    outcome: str
    low: float = math.nan
    mid: float = math.nan
    high: float = math.nan


def slow(quotes: list[tuple[float, float, float, float, str]], quorum: int = 3) -> Slow:
    """The rules without a memory for (price, half width, age, outlived, group): equal weights only."""
    usable = []
    for price, width, age, outlived, group in quotes:
        if not (1e-30 <= price <= 1e30 and 0 <= width <= price) or age > LIMIT_S or age < -60:
            continue
        wide = max(width + price * DRIFT * math.sqrt(max(outlived, 0) / 86_400), price * FLOOR)
        if wide <= price * WIDE * (1 + 1e-9):
            usable.append((price, wide, age, group))
    votes = []
    for group in dict.fromkeys(item[3] for item in usable):
        members = [item for item in usable if item[3] == group]
        distance = [sum(abs(a[0] - b[0]) for b in members) for a in members]
        least = min(distance)
        central = [m for m, d in zip(members, distance, strict=True) if d - least <= 1e-12 * m[0]]
        votes.append(min(central, key=lambda item: item[2]))
    if len(votes) < quorum:
        return Slow("too few")
    centre = statistics.median(item[0] for item in votes)
    tolerance = BAND
    if len(votes) >= 5:
        mad = statistics.median(abs(item[0] - centre) for item in votes)
        tolerance = min(max(3 * 1.4826 * mad / centre, BAND), 3 * BAND)
    agreeing = [v for v in votes if abs(v[0] - centre) <= tolerance * centre + min(v[1], BAND * centre)]
    if 3 * len(agreeing) < 2 * len(votes):
        return Slow("no consensus")
    three = sorted(p for price, width, *_ in agreeing for p in (price - width, price, price + width))
    quarter = len(three) // 4
    pad = centre * FLOOR
    return Slow("agreed", min(three[quarter], centre - pad), centre, max(three[-1 - quarter], centre + pad))
