"""What-if questions about bridges: routes that are otherwise, and bridges that stand still."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from aggregator.model import Model
from aggregator.simulate.hypothetical import CannotSimulate
from aggregator.simulate.model import RouteChange
from risk.routes import Route


def standing(names: Sequence[str], model: Model) -> frozenset[str]:
    """What a question lets stand still; a misspelt name would leave everything as it is without a word."""
    known = {*(route.bridge for route in model.routes), *model.chains}
    if strange := sorted(set(names) - known):
        has = ", ".join(sorted(known))
        raise CannotSimulate(f"changes.paused_bridges: no bridge or chain {strange[0][:40]!r}; there are {has}")
    return frozenset(names)


def rerouted(model: Model, changes: Sequence[RouteChange]) -> Model:
    """The model with other routes; its hash says so."""
    routes = list(model.routes)
    for change in changes:
        hit = False
        for i, route in enumerate(routes):
            ends = (change.source in {None, route.source}, change.destination in {None, route.destination})
            if route.bridge == change.bridge and all(ends):
                routes[i], hit = _route(route, change), True
        if not hit:
            where = f"from {(change.source or 'any chain')[:40]} to {(change.destination or 'any chain')[:40]}"
            has = ", ".join(sorted({route.bridge for route in routes}))
            raise CannotSimulate(f"changes.routes: {change.bridge[:40]!r} has no route {where}; there are {has}")
    digest = hashlib.sha256(f"{model.params_hash}{changes!r}".encode()).hexdigest()
    return replace(model, routes=tuple(routes), params_hash=digest, _mobility={}, _others={})


def _route(route: Route, change: RouteChange) -> Route:
    law = route.law
    if change.delay_s is not None:
        law = replace(law, challenge_s=law.challenge_s + change.delay_s)
    return replace(
        route,
        law=law,
        fee_bps=route.fee_bps if change.fee_bps is None else change.fee_bps,
        capacity_usd=route.capacity_usd if change.capacity_usd is None else change.capacity_usd,
    )
