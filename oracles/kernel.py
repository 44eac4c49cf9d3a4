"""Reconciliation of many assets at once: arrays over sources x assets in, decisions and the deciding votes out.

Layout: every table is (S, A): S slots of sources, A assets; an empty slot has the group -1. A decision names the
slots that decided (which price is the median, which vote is the low end), so that the caller can give exact
figures from its own exact quotes; the float figures here serve bulk work and comparison.

Rules, in order: a slot that cannot be a price, is from the future, too old or too vague has no vote; one vote per
independence group; no group above a third of the weight; quorum of groups; gate around the weighted median (band,
widened by the MAD where five or more vote, halved for a group that was outside before); two thirds of the weight
must agree; the interval by three votes per agreeing source (p - c, p, p + c).
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY_S = 86_400.0
MAX_MAGNITUDE = 1e30
EPS = 1e-9
"""Relative tolerance of sums of weights."""
TIE = 1e12
"""Distances within a group are compared at that resolution of the price, so that equal ones are equal."""
MAD_SIGMA = 1.4826
MAD_FROM = 5
"""With fewer votes the median absolute deviation says nothing."""


class Why(IntEnum):
    """Fate of one slot."""

    EMPTY = 0
    AGREES = 1
    INVALID = 2
    FUTURE = 3
    STALE = 4
    TOO_WIDE = 5
    REPRESENTED = 6
    """Another source of its group speaks for it, and is near."""
    OUTSIDE_GROUP = 7
    OUTSIDE_BAND = 8


class Outcome(IntEnum):
    """What the votes of one asset amount to."""

    AGREED = 0
    TOO_FEW = 1
    """Fewer groups than the quorum; why is a matter of their fates and of what is missing."""
    NO_CONSENSUS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Quotes of all assets, (S, A)."""

    price: F64
    half_width: F64
    age_s: F64
    """Time since the observation; negative: from the future."""
    outlived_s: F64
    """Time since the source's own bound ended; negative: it still holds."""
    limit_s: F64
    """Age beyond which it is stale."""
    weight: F64
    group: Ints
    """Sources that fail together share a number."""
    was_outside: Bools
    """Its group was outside the gate last time."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Parameters per asset, (A,); ratios of the price."""

    quorum: Ints
    band: F64
    floor: F64
    max_width: F64
    drift_per_sqrt_day: F64


@dataclass(frozen=True, slots=True)
class Rules:
    """Parameters of all assets."""

    max_ahead_s: float = 60.0
    agreement: float = 2 / 3
    readmit: float = 0.5
    """Share of the gate within which a group that was outside counts again."""
    mad_k: float = 3.0
    mad_max_bands: float = 3.0
    max_share: float = 1 / 3


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Outcome per asset (A,) and fate per slot (S, A); float figures are nan where nothing was agreed."""

    outcome: npt.NDArray[np.int8]
    why: npt.NDArray[np.int8]
    share: F64
    """(S, A) share of the weight of each vote, 0 without a vote."""
    half_width: F64
    """(S, A) after widening for age and the floor."""
    tolerance: F64
    """(A,) half the gate as a ratio of the centre."""
    lower: Ints
    """(A,) slot of the lower weighted median of all votes; -1 without votes."""
    upper: Ints
    low_vote: Ints
    """(A,) slot + S * (0: p - c, 1: p, 2: p + c) of the 25th percentile of the agreeing; -1 where none."""
    high_vote: Ints
    low: F64
    mid: F64
    high: F64


BLOCK = 2048
"""Assets at a time: what a block needs stays in the processor's cache."""


DEFAULT_RULES = Rules()


def decide(table: Table, terms: Terms, rules: Rules = DEFAULT_RULES) -> Decisions:
    """Reconcile every asset; the order of the slots decides nothing but exact ties within a group."""
    assets = table.price.shape[1]
    if assets <= BLOCK:
        return _decide(table, terms, rules)
    parts = []
    for start in range(0, assets, BLOCK):
        block = slice(start, start + BLOCK)
        some = Table(*(np.ascontiguousarray(getattr(table, f.name)[:, block]) for f in fields(Table)))
        parts.append(_decide(some, Terms(*(getattr(terms, f.name)[block] for f in fields(Terms))), rules))
    return Decisions(*(np.concatenate([getattr(p, f.name) for p in parts], axis=-1) for f in fields(Decisions)))


def _decide(table: Table, terms: Terms, rules: Rules) -> Decisions:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        why, half_width = _judge(table, terms, rules)
        voting = _collapse(table, terms, half_width, why)
        weight = _capped(np.where(voting, table.weight, 0.0), rules.max_share)
        total = weight.sum(axis=0)
        votes = voting.sum(axis=0)
        lower, upper, centre = _median(table.price, weight, total)
        tolerance = _tolerance(table.price, voting, votes, centre, terms, rules)
        near = _near(table, half_width, centre, tolerance, terms, rules)
        why[voting & ~near] = Why.OUTSIDE_BAND
        why[voting & near] = Why.AGREES
        agreeing = np.where(voting & near, weight, 0.0)
        outcome = _outcomes(terms, rules, votes, agreeing.sum(axis=0), total)
        low_vote, high_vote, low, high = _ends(table.price, half_width, agreeing)
    agreed = outcome == Outcome.AGREED
    pad = centre * terms.floor
    return Decisions(
        outcome=outcome,
        why=why,
        share=np.divide(weight, total, out=np.zeros_like(weight), where=total > 0),
        half_width=half_width,
        tolerance=tolerance,
        lower=np.where(votes > 0, lower, -1),
        upper=np.where(votes > 0, upper, -1),
        low_vote=np.where(agreed, low_vote, -1),
        high_vote=np.where(agreed, high_vote, -1),
        low=np.where(agreed, np.minimum(low, centre - pad), np.nan),
        mid=np.where(agreed, centre, np.nan),
        high=np.where(agreed, np.maximum(high, centre + pad), np.nan),
    )


def _judge(table: Table, terms: Terms, rules: Rules) -> tuple[npt.NDArray[np.int8], F64]:
    """Fate of each slot by itself (AGREES: may vote), and its half width after widening."""
    price, width = table.price, table.half_width
    fine = (price >= 1 / MAX_MAGNITUDE) & (price <= MAX_MAGNITUDE) & (width >= 0) & (width <= price)
    drift = terms.drift_per_sqrt_day * np.sqrt(np.maximum(table.outlived_s, 0.0) / DAY_S)
    wide = np.maximum(width + price * drift, price * terms.floor)
    why = np.full(price.shape, Why.AGREES, dtype=np.int8)
    why[wide > price * terms.max_width * (1 + EPS)] = Why.TOO_WIDE
    why[table.age_s > table.limit_s] = Why.STALE
    why[-table.age_s > rules.max_ahead_s] = Why.FUTURE
    why[~fine] = Why.INVALID
    why[table.group < 0] = Why.EMPTY
    return why, wide


def _collapse(table: Table, terms: Terms, half_width: F64, why: npt.NDArray[np.int8]) -> Bools:
    """One vote per group: its most central member, the freshest of equally central ones; never an average."""
    usable: Bools = np.asarray(why == Why.AGREES)
    slots = len(usable)
    pairs = [
        (i, j, both)
        for i in range(slots)
        for j in range(i + 1, slots)
        if (both := (table.group[i] == table.group[j]) & usable[i] & usable[j]).any()
    ]
    if not pairs:
        return usable
    distance = np.zeros_like(table.price)
    for i, j, both in pairs:
        apart = np.where(both, np.abs(table.price[i] - table.price[j]), 0.0)
        distance[i] += apart
        distance[j] += apart
    place = np.rint(distance / np.where(usable, table.price, 1.0).max(axis=0) * TIE)
    speaks = usable.copy()
    for i, j, both in pairs:
        first = (place[i] < place[j]) | ((place[i] == place[j]) & (table.age_s[i] <= table.age_s[j]))
        speaks[j] &= ~(both & first)
        speaks[i] &= ~(both & ~first)
    band = terms.band
    for i, j, both in pairs:
        apart = np.abs(table.price[i] - table.price[j])
        for one, other in ((i, j), (j, i)):
            reach = band * table.price[other]
            off = apart > reach + np.minimum(half_width[one], reach)
            spoken = both & speaks[other]
            why[one] = np.where(spoken, np.where(off, Why.OUTSIDE_GROUP, Why.REPRESENTED), why[one])
    return speaks


def _capped(weight: F64, max_share: float) -> F64:
    """Weights with none above a share (at most a third) of their sum; all equal where three or fewer vote."""
    ordered = -np.sort(-weight, axis=0)
    total = ordered.sum(axis=0)
    first = ordered[0]
    second = ordered[1] if len(ordered) > 1 else np.zeros_like(first)
    voters = (weight > 0).sum(axis=0)
    keep = max_share / (1 - max_share)
    one = (total - first) * keep
    two = (total - first - second) * max_share / (1 - 2 * max_share)
    cap = np.where(second <= one * (1 + EPS), one, two)
    smallest = np.where(weight > 0, weight, np.inf).min(axis=0)
    cap = np.where(voters <= 3, smallest, cap)
    capped: F64 = np.minimum(weight, np.where(first > total * max_share, cap, first))
    return capped


def _median(price: F64, weight: F64, total: F64) -> tuple[Ints, Ints, F64]:
    """Slots of the lower and the upper weighted median, and their mean."""
    order = np.argsort(np.where(weight > 0, price, np.inf), axis=0)
    sums = np.cumsum(np.take_along_axis(weight, order, axis=0), axis=0)
    slack = EPS * total
    last = len(price) - 1
    at_lower = np.minimum((sums < total / 2 - slack).sum(axis=0), last)
    at_upper = np.minimum((sums <= total / 2 + slack).sum(axis=0), last)
    lower, upper = _pick(order, at_lower), _pick(order, at_upper)
    middle = (_pick(price, lower) + _pick(price, upper)) / 2
    return lower, upper, np.where(total > 0, middle, np.nan)


def _tolerance(price: F64, voting: Bools, votes: Any, centre: F64, terms: Terms, rules: Rules) -> F64:
    """Band of the gate as a ratio: the class's, or three sigmas by the MAD up to a few bands."""
    many = votes >= MAD_FROM
    if not many.any():
        return terms.band + np.zeros_like(centre)
    apart = np.sort(np.where(voting, np.abs(price - centre), np.inf), axis=0)
    mad = (_pick(apart, (votes - 1) // 2) + _pick(apart, np.minimum(votes // 2, len(apart) - 1))) / 2
    sigmas = rules.mad_k * MAD_SIGMA * mad / centre
    return np.where(many, np.clip(sigmas, terms.band, rules.mad_max_bands * terms.band), terms.band)


def _near(table: Table, half_width: F64, centre: F64, tolerance: F64, terms: Terms, rules: Rules) -> Bools:
    """True where an interval reaches into the gate; a wide one reaches one band further and no more."""
    reach = tolerance * centre + np.minimum(half_width, terms.band * centre)
    apart = np.abs(table.price - centre)
    return np.asarray(apart <= np.where(table.was_outside, rules.readmit, 1.0) * reach * (1 + EPS))


def _outcomes(terms: Terms, rules: Rules, votes: Any, agreeing: F64, total: F64) -> npt.NDArray[np.int8]:
    split = agreeing < rules.agreement * total * (1 - EPS)
    outcome = np.where(split, Outcome.NO_CONSENSUS, Outcome.AGREED).astype(np.int8)
    outcome[votes < terms.quorum] = Outcome.TOO_FEW
    return outcome


def _ends(price: F64, half_width: F64, weight: F64) -> tuple[Ints, Ints, F64, F64]:
    """25th and 75th percentile of three votes per agreeing source, by weight (Pyth's rule for equal ones)."""
    votes = np.concatenate((price - half_width, price, price + half_width))
    weights = np.concatenate((weight, weight, weight))
    order = np.argsort(np.where(weights > 0, votes, np.inf), axis=0)
    ordered = np.take_along_axis(weights, order, axis=0)
    sums = np.cumsum(ordered, axis=0)
    total = sums[-1]
    slack, last = EPS * total, len(votes) - 1
    at_low = np.minimum((sums <= total / 4 + slack).sum(axis=0), last)
    at_high = np.minimum((sums < total * 0.75 - slack).sum(axis=0), last)
    low, high = _pick(order, at_low), _pick(order, at_high)
    return low, high, _pick(votes, low), _pick(votes, high)


def _pick(rows: Any, index: Any) -> Any:
    """Element of each column."""
    return np.take_along_axis(rows, np.maximum(index, 0)[None, :], axis=0)[0]
