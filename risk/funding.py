"""What can arrive at an account in time: time to fund, coverage, gap, health at which to start (RISK section 4).

One account at a time is asked: what if all that is movable elsewhere were sent to it now? Figures of two accounts
therefore may count the same money; the unified buffer is where both are covered. All lags are those of a bad day
(the stress state) at the chosen confidence; money that is not known is no money.

Between horizons D(h) is linear in ln h, as in ``risk.drawdown``; before the first horizon D of the first stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from risk.checks import F64, as_floats, number, require
from risk.errors import RiskInputError
from risk.latency import AT_ONCE, NEVER, Knots, cure_lag, inclusion_s, mix
from risk.mobility import Mobility
from risk.scanlaw import DAY_S


class Way(NamedTuple):
    """One way for money from chain to chain."""

    lag_s: float
    """At the confidence, on a bad day."""
    capacity_usd: float
    kept: float
    """Share that arrives after the fee."""
    mixture: Knots
    """Whole distribution over calm and bad days."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """What reaches one account if everything movable is sent to it now; soonest first."""

    lag_s: F64
    """(n,) seconds, finite."""
    amount_usd: F64
    """(n,) net of fees, positive."""
    lags: tuple[Knots, ...]
    """(n,) whole distribution of each tranche's lag."""

    def deliverable_usd(self, t_s: float) -> float:
        """What has arrived by t."""
        return float(self.amount_usd[self.lag_s <= t_s].sum())

    def marginal(self, need_usd: float) -> int | None:
        """Tranche that completes ``need_usd`` (the first one if nothing is needed); None: it is never complete."""
        if not len(self.lag_s):
            return None
        enough = np.cumsum(self.amount_usd) >= need_usd * (1.0 - 1e-12)
        return int(np.argmax(enough)) if enough.any() else None


NOTHING = Arrivals(np.zeros(0), np.zeros(0), ())


@dataclass(frozen=True, slots=True, eq=False)
class Funding:
    """Figures per account, shape (V,); nan where surplus or drawdown is not known."""

    ttf_s: F64
    """Time to fund: until what the horizon may cost beyond the surplus has arrived; inf if it cannot."""
    rescue_probability: F64
    """P(the marginal transfer arrives before the account is liquidated). Shown, never used in a requirement."""
    liquidity_coverage: F64
    """min over t of (S + deliverable(t)) / D(t); inf where nothing can be lost."""
    rescue_gap_usd: F64
    """max over t of (D(t) - S - deliverable(t))+: what no transfer started now can cover."""
    start_bridging_health: F64
    """Health at which TTL = TTF; nan without a requirement or without a source that suffices."""
    deliverable_usd: F64
    """All that arrives within the horizon."""


@lru_cache(maxsize=8)  # by identity: callers keep a mobility between cycles, and ask for every portfolio
def way_in(mobility: Mobility) -> Mapping[tuple[str, str], tuple[Way, ...]]:
    """Ways of each pair of chains, fastest first; what does not arrive at the confidence is left out.

    On the account's own chain nothing is bridged, yet somebody must notice and sign: detection, reaction and
    inclusion count here, although g is 0 there by definition.
    """
    around, factor = mobility.reaction, mobility.stress.latency_factor
    found: dict[tuple[str, str], tuple[Way, ...]] = {}
    for chain in mobility.chains:
        calm, bad = (
            cure_lag(AT_ONCE, around.detect_s, around.react_s, scale * inclusion_s(chain), 0.0, around.grace_s)
            for scale in (1.0, factor)
        )
        weight = mobility.stress.weight
        found[chain, chain] = (Way(bad.quantile(1.0), np.inf, 1.0, mix(((1.0 - weight, calm), (weight, bad)))),)
    for pair, options in mobility.lags.items():
        ways = [
            Way(
                lag.stress.quantile(mobility.confidence),
                lag.route.capacity_usd,
                lag.route.net_of_fee(1.0),
                lag.mixture(mobility.stress),
            )
            for lag in options
        ]
        found[pair] = tuple(sorted((way for way in ways if np.isfinite(way.lag_s)), key=lambda way: way.lag_s))
    return MappingProxyType(found)


def arrivals(
    target: int,
    chain_of_account: Sequence[str],
    movable_usd: F64,
    ways: Mapping[tuple[str, str], tuple[Way, ...]],
) -> Arrivals:
    """Send everything movable to account ``target`` by the fastest way up to its capacity.

    What a route cannot take goes by the next slower one; accounts on one chain share its routes.
    """
    here = chain_of_account[target]
    pools: dict[str, float] = {}
    for account, (chain, amount) in enumerate(zip(chain_of_account, movable_usd, strict=True)):
        if account != target and amount > 0:  # nan is not above 0: unknown money rescues nobody
            pools[chain] = pools.get(chain, 0.0) + float(amount)
    tranches: list[tuple[float, float, Knots]] = []
    for chain, left in pools.items():
        for way in ways.get((chain, here), ()):
            sent = min(left, way.capacity_usd)
            left -= sent
            if sent > 0:
                tranches.append((way.lag_s, sent * way.kept, way.mixture))
    tranches.sort(key=lambda tranche: tranche[0])
    if not tranches:
        return NOTHING
    lag, amount, mixtures = zip(*tranches, strict=True)
    return Arrivals(np.array(lag), np.array(amount), mixtures)


def time_to_fund(found: Arrivals, need_usd: float = 0.0) -> float:
    """Seconds until ``need_usd`` has arrived, at the confidence and stress of ``found``; inf if it never does."""
    number("need_usd", need_usd, 0.0, 1e300)
    at = found.marginal(need_usd)
    return float("inf") if at is None else float(found.lag_s[at])


def rescue_probability(knots: Knots, ttl_s: float) -> float:
    """P(tau <= TTL)."""
    return knots.probability_within(ttl_s)


def drawdown_at(D: F64, horizons_s: F64, t_s: F64) -> F64:
    """D at times (n,) from D (K,) on horizons (K,): linear in ln h, the first value before the first horizon."""
    if not (horizons_s[0] > 0 and (np.diff(horizons_s) > 0).all()):
        raise RiskInputError(f"horizons_s: must be positive and increase, were {horizons_s.tolist()}")
    found = np.asarray(np.interp(np.log(np.maximum(t_s, 1e-9)), np.log(horizons_s), D), np.float64)
    require("D at t_s", found, np.isnan(found), "a number: D or t_s holds nan")
    return found


def _moments(horizons_s: F64, found: Arrivals, until_s: float) -> tuple[F64, F64]:
    """(times, what has arrived just before each): the worst moments are right before an arrival and the end."""
    times = np.unique(np.concatenate([horizons_s, found.lag_s, [until_s]]))
    times = times[(times > 0) & (times <= until_s)]
    before = (
        (found.lag_s[None, :] < times[:, None]) @ found.amount_usd if len(found.lag_s) else np.zeros(len(times))
    )
    return times, np.asarray(before, np.float64)


def liquidity_coverage(
    surplus_usd: float, D: F64, horizons_s: F64, found: Arrivals, until_s: float = DAY_S
) -> float:
    """Min over t in (0, until] of (S + deliverable(t)) / D(t)."""
    number("surplus_usd", surplus_usd, -1e300, 1e300)
    times, before = _moments(horizons_s, found, until_s)
    loss = drawdown_at(D, horizons_s, times)
    covered = np.full(len(times), np.inf if surplus_usd >= 0 else -np.inf)
    np.divide(surplus_usd + before, loss, out=covered, where=loss > 0)
    return float(covered.min())


def rescue_gap_usd(surplus_usd: float, D: F64, horizons_s: F64, found: Arrivals, until_s: float = DAY_S) -> float:
    """Max over t in (0, until] of (D(t) - S - deliverable(t))+; never below a surplus that is negative already."""
    number("surplus_usd", surplus_usd, -1e300, 1e300)
    times, before = _moments(horizons_s, found, until_s)
    short = drawdown_at(D, horizons_s, times) - surplus_usd - before
    return float(max(0.0, -surplus_usd, short.max()))


def start_bridging_health(D: F64, horizons_s: F64, ttf_s: float, mm_requirement_usd: float) -> float:
    """Health E / (k MM) at which TTL = TTF: 1 + D(TTF) / (k MM); nan without requirement or if TTF is infinite."""
    if not (mm_requirement_usd > 0 and np.isfinite(ttf_s)):
        return float("nan")
    lost = float(drawdown_at(D, horizons_s, np.array([ttf_s]))[0]) if ttf_s > 0 else 0.0
    return 1.0 + lost / mm_requirement_usd


def fund_accounts(
    surplus_usd: F64,
    mm_requirement_usd: F64,
    D: F64,
    horizons_s: F64,
    ttl_s: F64,
    movable_usd: F64,
    chain_of_account: Sequence[str],
    mobility: Mobility,
    need_usd: F64 | None = None,
) -> Funding:
    """All funding figures of the accounts of one portfolio.

    Parameters
    ----------
    surplus_usd, mm_requirement_usd, ttl_s, movable_usd
        (V,) S, k MM, time to liquidation, what may leave the account under its own rules. nan: not known.
    D, horizons_s
        (V, K) drawdowns on (K,) increasing horizons that reach the mobility's horizon.
    need_usd
        (V,) what must arrive; None: what the horizon may cost beyond the surplus, (D(H) - S)+.
    """
    D = np.asarray(D, np.float64)
    if D.ndim != 2 or len(chain_of_account) != len(D):
        raise RiskInputError(f"D: must be (accounts, horizons) of {len(chain_of_account)} accounts, is {D.shape}")
    horizons = as_floats("horizons_s", horizons_s, (D.shape[1],))
    require("horizons_s", horizons, ~((horizons > 0) & np.isfinite(horizons)), "positive and finite")
    require("horizons_s", horizons[1:], np.diff(horizons) <= 0, "above the one before it")
    if horizons[-1] < mobility.horizon_s:
        raise RiskInputError(
            f"horizons_s: must reach the horizon of {mobility.horizon_s:g} s, end at {horizons[-1]:g}"
        )
    S, MM, ttl, movable = (
        as_floats(name, values, (len(D),))
        for name, values in (
            ("surplus_usd", surplus_usd),
            ("mm_requirement_usd", mm_requirement_usd),
            ("ttl_s", ttl_s),
            ("movable_usd", movable_usd),
        )
    )
    ways = way_in(mobility)
    rows = []
    for a in range(len(D)):
        found = arrivals(a, chain_of_account, movable, ways)
        need = None if need_usd is None else float(need_usd[a])
        rows.append(
            _figures(found, float(S[a]), float(MM[a]), D[a], horizons, float(ttl[a]), mobility.horizon_s, need)
        )
    columns = np.array(rows, np.float64).reshape(len(D), 6).T
    return Funding(*columns)


def _figures(
    found: Arrivals, surplus: float, requirement: float, D: F64, horizons: F64, ttl_s: float, until_s: float,
    need: float | None,
) -> tuple[float, ...]:  # fmt: skip
    """Return the six figures of one account, in the order of ``Funding``; nan where an input is."""
    arriving = found.deliverable_usd(until_s)
    if np.isnan(surplus) or np.isnan(D).any() or np.isnan(ttl_s):
        return (*(float("nan"),) * 5, arriving)
    wanted = max(0.0, float(drawdown_at(D, horizons, np.array([until_s]))[0]) - surplus) if need is None else need
    ttf_s, at = time_to_fund(found, wanted), found.marginal(wanted)
    return (
        ttf_s,
        rescue_probability(NEVER if at is None else found.lags[at], ttl_s),
        liquidity_coverage(surplus, D, horizons, found, until_s),
        rescue_gap_usd(surplus, D, horizons, found, until_s),
        start_bridging_health(D, horizons, ttf_s, requirement),
        arriving,
    )
