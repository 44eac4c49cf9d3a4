"""One route as people and the API see it."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

import numpy as np

from aggregator.bridge_desk import Said
from aggregator.bridge_laws import Law
from aggregator.bridge_live import Estimate
from risk.latency import EMPIRICAL_STRESS
from risk.mobility import Mobility
from risk.routes import Route


def row(law: Law, now: datetime, said: Said | None = None) -> dict[str, object]:
    """Quantiles of the law in use and of the default, fee, capacity, and what the law rests on."""
    posterior = law.posterior
    return {
        "bridge": law.route.bridge,
        "source": law.route.source,
        "destination": law.route.destination,
        "mark": law.route.mark,
        **_quantiles(law.route),
        "default": _quantiles(law.default),
        "fee_bps": _amount(law.route.fee_bps),
        "capacity_usd": _amount(law.route.capacity_usd),
        "challenge_s": law.route.law.challenge_s,
        "slow_weight": law.route.law.slow_weight,
        "observations": 0 if posterior is None else posterior.observations,
        "slow_observations": 0 if posterior is None else posterior.slow,
        "tail_trusted": False if posterior is None else posterior.tail_trusted,
        "age_s": None if law.newest is None else int((now - law.newest).total_seconds()),
        "live": None if said is None else _live(said),
    }


def _live(said: Said) -> dict[str, object]:
    """An operator's answer."""
    estimate = said.estimate or Estimate()
    return {
        "asked_at": said.asked_at,
        "used": said.estimate is not None,
        "reason": said.reason,
        **asdict(estimate),
        "fee_bps": _amount(estimate.fee_bps),
        "capacity_usd": _amount(estimate.capacity_usd),
    }


def _amount(value: float | None) -> str | None:
    """A decimal number as people write it; a float holds 15 digits."""
    return None if value is None else format(Decimal(f"{value:.15g}"), "f")


def no_route(mobility: Mobility, chains: Iterable[str]) -> tuple[str, ...]:
    """Directed pairs of chains that no open route joins: money cannot move between them, g = 1."""
    known = sorted(set(chains))
    return tuple(f"{u} to {v}" for u in known for v in known if u != v and not mobility.between(u, v))


def closed(
    routes: Iterable[Route], paused: Collection[str], by_owner: Collection[str], chains: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Bridges that stand still although they join some of these chains, each with the reason."""
    near = {route.bridge for route in routes if {route.source, route.destination} <= set(chains)}
    found = [(name, "the settings leave it out") for name in sorted(near & set(by_owner))]
    still = sorted(near & set(paused) - set(by_owner))
    found += [(name, "its own contracts refuse transfers, or cannot be asked") for name in still]
    return tuple((f"bridge {name}", f"paused: {why}: nothing over it counts") for name, why in found)


def _quantiles(route: Route) -> dict[str, float | None]:
    """None: at that confidence it may never arrive."""
    calm, bad = route.law.knots(), route.law.knots(EMPIRICAL_STRESS)
    found = {
        "median_s": calm.quantile(0.5), "p95_s": calm.quantile(0.95), "p99_s": calm.quantile(0.99),
        "p99_stress_s": bad.quantile(0.99),
    }  # fmt: skip
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()}
