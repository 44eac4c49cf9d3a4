"""The latency laws in use: the defaults, what own transfers have taken, and what operators say at the moment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aggregator import metrics
from aggregator.bridge_laws import Key, Law, Observation, defaults, laws
from aggregator.bridge_live import Estimate, worsened
from aggregator.model import Model
from chains.caip import ChainId
from risk.errors import RiskInputError
from risk.routes import Route


@dataclass(frozen=True, slots=True)
class Said:
    """What an operator's interface said of a route last."""

    asked_at: datetime
    reason: str
    """Why it is not used; '' where it is."""
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """How the look at one chain's spoke pool went."""

    looked_at: datetime
    block: int | None
    """Up to here everything was seen; None: nothing yet."""
    reason: str
    """Why the last look failed; '' where it did not."""


class BridgeDesk:
    """Owns the laws. Whoever learns something hands it in; whoever makes reports takes ``routes``.

    Parameters
    ----------
    fresh_for : an operator's answer that is older is not used any more.
    """

    def __init__(self, model: Model, fresh_for: timedelta) -> None:
        self._model = model
        self._defaults = defaults(model.settings.bridges)
        self._fresh_for = fresh_for
        self.laws: tuple[Law, ...] = model.bridge_laws
        self.routes: tuple[Route, ...] | None = None
        """None: as the model has them."""
        self.said: dict[Key, Said] = {}
        self.watched: dict[ChainId, Watched] = {}
        self.paused: frozenset[str] = frozenset()
        """What stood still in the newest cycle."""

    async def learn(self, seen: Sequence[Observation], now: datetime) -> bool:
        """Laws by all transfers and the answers that are fresh; whether any route has changed.

        The work is done beside the cycles: it takes seconds where many routes change.
        """
        said = {key: one for key, one in self.said.items() if now - one.asked_at <= self._fresh_for}
        used = await asyncio.to_thread(self._work, seen, said, now)
        routes = tuple(law.route for law in used)
        changed = routes != (self._model.routes if self.routes is None else self.routes)
        self.laws, self.routes = used, routes
        for law in used:
            number = 0 if law.posterior is None else law.posterior.observations
            bridge, source, destination = key_of(law.route)
            gauge = metrics.BRIDGE_OBSERVATIONS.labels(bridge=bridge, source=source, destination=destination)
            gauge.set(number)
        return changed

    def _work(self, seen: Sequence[Observation], said: Mapping[Key, Said], now: datetime) -> tuple[Law, ...]:
        """Laws, with what the next cycle will want of them worked out already."""
        found = laws(self._defaults, (*self._model.observations, *seen), now)
        used = tuple(_worsened(law, said) for law in found)
        model = self._model.using(tuple(law.route for law in used))
        for paused in {frozenset[str](), self.paused}:
            model.mobility(paused)
        return used


def key_of(route: Route) -> Key:
    """What a route is known by."""
    return route.bridge, route.source, route.destination


def _worsened(law: Law, said: Mapping[Key, Said]) -> Law:
    one = said.get(key_of(law.default))
    if one is None or one.estimate is None:
        return law
    try:
        return replace(law, route=worsened(law.route, one.estimate))
    except RiskInputError:  # it made sense for the law of that time
        return law
